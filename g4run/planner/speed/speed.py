"""Estimate the generation and prompt speed of a plan, from what each device must read and compute."""

from collections.abc import Sequence

from msgspec.structs import replace

from g4run.hardware.machine import Machine
from g4run.planner.speed.bytes_read import BytesRead, SplitBytesRead, split_reads
from g4run.planner.speed.calibration import (
    EXPERT_LAYER_MILLISECONDS,
    MEASURED_SPREAD,
    PROMPT_SPREAD,
    SWITCH_MILLISECONDS,
    WIDE_SPREAD,
    Spread,
)
from g4run.planner.speed.devices import SpeedDevice, SpeedDevices, speed_devices
from g4run.planner.speed.measured import MeasuredSpeed, find_measured
from g4run.planner.speed.prompt import prompt_tokens_per_second
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
    reads = split_reads(plan.shape, settings, position)
    used = (*devices.gpus, *((devices.processors,) if reads.cpu.weight_bytes > 0 else ()))
    is_known = all(device.is_known for device in used)
    milliseconds = _generation_milliseconds(reads, devices, len(plan.shape.layers) + 1)
    prompt = prompt_tokens_per_second(plan.shape, settings, devices, position)
    return Speed(
        generation=_range(1000 / milliseconds, _widest(used) if is_known else WIDE_SPREAD),
        prompt=_range(prompt, PROMPT_SPREAD if is_known else WIDE_SPREAD),
        source=SpeedSource.CALIBRATED if is_known else SpeedSource.ESTIMATED,
    )


def _generation_milliseconds(reads: SplitBytesRead, devices: SpeedDevices, layers: int) -> float:
    """Return the time per token: of all devices, one after the other, and of the transfers between them."""
    on_gpus = sum(gpu.share * _milliseconds(reads.gpu, gpu, layers) for gpu in devices.gpus)
    on_processors = _milliseconds(reads.cpu, devices.processors, layers)
    has_both = reads.gpu.layers > 0 and reads.cpu.layers > 0
    passing = reads.expert_layers * EXPERT_LAYER_MILLISECONDS + has_both * SWITCH_MILLISECONDS
    return on_gpus + on_processors + passing


def _milliseconds(reads: BytesRead, device: SpeedDevice, layers: int) -> float:
    """Apply the speed formula to one device's part, with the overhead of its layers."""
    constants = device.constants
    read_bytes = reads.weight_bytes + constants.cache_weight * reads.cache_bytes
    reading = read_bytes / (constants.efficiency * device.bytes_per_second) * 1000
    return reading + constants.overhead_milliseconds * reads.layers / layers


def _range(expected: float, spread: Spread) -> SpeedRange:
    return SpeedRange(expected * spread.low, expected, expected * spread.high)


def _widest(devices: Sequence[SpeedDevice]) -> Spread:
    spreads = [device.constants.spread for device in devices]
    return Spread(min(spread.low for spread in spreads), max(spread.high for spread in spreads))
