"""Estimate the generation and prompt speed of a plan, from what each device must read and compute."""

from collections.abc import Sequence

from msgspec.structs import replace

from g4run.hardware.machine import Machine
from g4run.planner.speed.calibration import (
    EXPERT_LAYER_MILLISECONDS,
    LAW,
    MEASURED_SPREAD,
    PROMPT_SPREAD,
    SWITCH_MILLISECONDS,
    WIDE_SPREAD,
    Spread,
)
from g4run.planner.speed.devices import SpeedDevice, SpeedDevices, speed_devices
from g4run.planner.speed.measured import MeasuredSpeed, find_measured
from g4run.planner.speed.prompt import prompt_tokens_per_second
from g4run.planner.speed.token_cost import SplitCost, TokenCost, split_cost
from g4run.planner.values import Plan, Speed, SpeedRange, SpeedSource


def estimate_speed(plan: Plan, machine: Machine, *, position: int = 0, measured: Sequence[MeasuredSpeed] = ()) -> Speed:
    """Return the speed of one sequence at a position; speeds measured on this machine take precedence."""
    estimate = _estimate(plan, machine, position)
    found = find_measured(plan, machine, measured)
    if found is None:
        return estimate
    there = _estimate(plan, machine, found.position)
    generation = found.generation_tokens_per_second * estimate.generation.expected / there.generation.expected
    has_prompt = found.prompt_tokens_per_second > 0
    return Speed(
        generation=_range(generation, MEASURED_SPREAD),
        prompt=_range(found.prompt_tokens_per_second, MEASURED_SPREAD) if has_prompt else estimate.prompt,
        source=SpeedSource.MEASURED,
    )


def _estimate(plan: Plan, machine: Machine, position: int) -> Speed:
    devices = speed_devices(plan, machine)
    settings = plan.settings if devices.gpus else replace(plan.settings, gpu_layers=0, cpu_expert_layers=0)
    cost = split_cost(plan.shape, settings, position)
    used = (*devices.gpus, *((devices.processors,) if cost.cpu.weight_bytes > 0 else ()))
    is_known = all(device.is_known for device in used)
    milliseconds = _generation_milliseconds(cost, devices)
    prompt = prompt_tokens_per_second(plan.shape, settings, devices, position)
    return Speed(
        generation=_range(1000 / milliseconds, _widest(used) if is_known else WIDE_SPREAD),
        prompt=_range(prompt, PROMPT_SPREAD if is_known else WIDE_SPREAD),
        source=SpeedSource.CALIBRATED if is_known else SpeedSource.ESTIMATED,
    )


def _generation_milliseconds(cost: SplitCost, devices: SpeedDevices) -> float:
    """Return the time per token: of all devices, one after the other, and of the transfers between them."""
    on_gpus = sum(gpu.share * _milliseconds(cost.gpu, gpu) for gpu in devices.gpus)
    on_processors = _milliseconds(cost.cpu, devices.processors)
    has_both = cost.gpu.layers > 0 and cost.cpu.layers > 0
    passing = cost.expert_layers * EXPERT_LAYER_MILLISECONDS + has_both * SWITCH_MILLISECONDS
    return on_gpus + on_processors + passing


def _milliseconds(cost: TokenCost, device: SpeedDevice) -> float:
    """Apply the speed formula to one device's part."""
    dense_bytes, dense_weights = cost.weight_bytes - cost.expert_bytes, cost.weights - cost.expert_weights
    dense = max(dense_bytes / device.bytes_per_second, dense_weights / device.weights_per_second)
    multiplying = LAW.expert_arithmetic * cost.expert_weights / device.weights_per_second
    experts = cost.expert_bytes / device.bytes_per_second + multiplying
    cache_bytes = cost.cache_bytes + device.copies_cache * cost.copied_bytes
    attention = cache_bytes / device.bytes_per_second + cost.attention_operations / device.attention_flops
    overhead = cost.layers * device.layer_milliseconds + device.token_milliseconds
    return (dense + experts + attention) * 1000 + overhead


def _range(expected: float, spread: Spread) -> SpeedRange:
    return SpeedRange(expected * spread.low, expected, expected * spread.high)


def _widest(devices: Sequence[SpeedDevice]) -> Spread:
    spreads = [device.constants.spread for device in devices]
    return Spread(min(spread.low for spread in spreads), max(spread.high for spread in spreads))
