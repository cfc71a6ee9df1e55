"""The devices that run a plan: its GPUs, each with its share of the layers, and the processors."""

from collections.abc import Sequence

import msgspec

from g4run.hardware.machine import Bandwidth, FigureSource, Gpu, GpuKind, Machine
from g4run.planner.memory.layer_split import usable_gpus
from g4run.planner.speed.calibration import (
    CONSTANTS,
    CORE_BYTES_PER_SECOND,
    MEASURED_OF_NOMINAL,
    PROCESSOR_FLOPS,
    VIRTUAL_CORE_BYTES_PER_SECOND,
    VIRTUAL_TYPE_RATES,
    Constants,
    card_bandwidth,
)
from g4run.planner.speed.device_classes import class_of_gpu, class_of_processors
from g4run.planner.values import Plan


class SpeedDevice(msgspec.Struct, frozen=True):
    """A device in the speed formula: nominal bandwidth, operations per second, and its share of the layers."""

    constants: Constants
    bytes_per_second: float
    operations_per_second: float
    share: float
    is_known: bool  # False if its class or its bandwidth is a guess


class SpeedDevices(msgspec.Struct, frozen=True):
    """All devices of a plan."""

    processors: SpeedDevice
    gpus: tuple[SpeedDevice, ...]


def speed_devices(plan: Plan, machine: Machine) -> SpeedDevices:
    """Return the devices of a plan, without GPUs that llama.cpp would not use."""
    usable = usable_gpus(machine) if plan.settings.gpu_layers > 0 else ()
    shares = _shares(plan, len(usable))
    return SpeedDevices(
        processors=_processors(plan, machine),
        gpus=tuple(_gpu(gpu, machine, share) for gpu, share in zip(usable, shares, strict=True) if share > 0),
    )


def _processors(plan: Plan, machine: Machine) -> SpeedDevice:
    """Return the processors, limited by memory bandwidth and by what their cores can multiply."""
    kind = class_of_processors(machine)
    threads = max(1, min(plan.settings.threads, machine.processors.threads))
    return SpeedDevice(
        constants=CONSTANTS[kind],
        bytes_per_second=min(_nominal(machine.memory_bandwidth), threads * _core_rate(plan, machine)),
        operations_per_second=threads * PROCESSOR_FLOPS[kind],
        share=1.0,
        is_known=machine.memory_bandwidth.source is not FigureSource.ASSUMED,
    )


def _core_rate(plan: Plan, machine: Machine) -> float:
    """Return the bytes per second that one core can multiply, as a nominal bandwidth; WSL shows real cores."""
    if not machine.processors.are_virtual or machine.platform.is_wsl:
        return CORE_BYTES_PER_SECOND / MEASURED_OF_NOMINAL
    type_rate = VIRTUAL_TYPE_RATES.get(plan.shape.weight_type, 1.0)
    return VIRTUAL_CORE_BYTES_PER_SECOND * type_rate / MEASURED_OF_NOMINAL


def _gpu(gpu: Gpu, machine: Machine, share: float) -> SpeedDevice:
    constants = CONSTANTS[class_of_gpu(gpu)]
    bandwidth = _gpu_bandwidth(gpu, machine)
    bytes_per_second = _nominal(bandwidth)
    flops = gpu.half_precision_flops or bytes_per_second * constants.flops_per_byte
    return SpeedDevice(
        constants=constants,
        bytes_per_second=bytes_per_second,
        operations_per_second=flops * constants.prompt_efficiency,
        share=share,
        is_known=bandwidth.source is not FigureSource.ASSUMED and constants.is_calibrated,
    )


def _gpu_bandwidth(gpu: Gpu, machine: Machine) -> Bandwidth:
    if gpu.bandwidth is not None:
        return gpu.bandwidth
    if gpu.kind is not GpuKind.DISCRETE:
        return machine.memory_bandwidth
    return Bandwidth(card_bandwidth(gpu.total_bytes), FigureSource.ASSUMED)


def _nominal(bandwidth: Bandwidth) -> float:
    """Return the vendor's figure for a bandwidth, which the constants are fitted to."""
    is_measured = bandwidth.source is FigureSource.MEASURED
    return bandwidth.bytes_per_second / MEASURED_OF_NOMINAL if is_measured else bandwidth.bytes_per_second


def _shares(plan: Plan, count: int) -> Sequence[float]:
    """Return each GPU's share of the layers: by its weights in the ledger, otherwise equal."""
    held = [device.weights_bytes for device in plan.ledger.devices if device.kind == "gpu"]
    if len(held) == count and sum(held) > 0:
        return [weights / sum(held) for weights in held]
    return [1 / max(1, count)] * count
