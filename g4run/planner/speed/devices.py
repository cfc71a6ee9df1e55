"""The devices that run a plan: its GPUs, each with its share of the layers, and the processors."""

import re
from collections.abc import Sequence
from functools import lru_cache
from math import inf
from typing import Final

import msgspec
from msgspec.structs import replace

from g4run.hardware.gpus.gpu_table import find_gpu
from g4run.hardware.machine import Bandwidth, FigureSource, Gpu, GpuKind, Machine
from g4run.planner.memory.layer_split import usable_gpus
from g4run.planner.speed.calibration import (
    CONSTANTS,
    CORE_ATTENTION_FLOPS,
    CORE_BYTES_PER_SECOND,
    FLOAT_COST,
    LAW,
    MEASURED_OF_NOMINAL,
    MOST_WAITING,
    READ_OF_MEASURED,
    VECTOR_FLOPS_PER_BYTE,
    VIRTUAL_CORE_SHARE,
    VIRTUAL_SPREAD,
    Constants,
    card_bandwidth,
)
from g4run.planner.speed.device_classes import class_of_gpu, class_of_processors
from g4run.planner.values import ModelShape, Plan

_K_QUANT: Final = re.compile(r"Q\d_K|IQ")
_FLOATS: Final = ("F32", "F16", "BF16")
_COPYING: Final = ("CUDA", "ROCm")  # backends that convert a quantized cache before they read it


class SpeedDevice(msgspec.Struct, frozen=True):
    """A device in the speed formula, as it runs one model; all rates are those it reaches."""

    constants: Constants
    bytes_per_second: float
    weights_per_second: float
    attention_flops: float
    copies_cache: bool
    layer_milliseconds: float
    token_milliseconds: float
    operations_per_second: float  # for prompts
    share: float  # of the layers
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
        gpus=tuple(_gpu(plan.shape, gpu, machine, share) for gpu, share in zip(usable, shares, strict=True) if share),
    )


def _processors(plan: Plan, machine: Machine) -> SpeedDevice:
    """Return the processors, limited by memory bandwidth, and by what their cores can read and multiply."""
    constants = CONSTANTS[class_of_processors(machine)]
    if _are_virtual(machine):
        constants = replace(constants, spread=VIRTUAL_SPREAD)
    threads = max(1, min(plan.settings.threads, machine.processors.threads))
    bytes_per_second = min(_read_bandwidth(machine.memory_bandwidth, constants), threads * CORE_BYTES_PER_SECOND)
    return SpeedDevice(
        constants=constants,
        bytes_per_second=bytes_per_second,
        weights_per_second=threads * constants.arithmetic * _core_share(plan.shape, machine),
        attention_flops=threads * CORE_ATTENTION_FLOPS,
        copies_cache=False,
        layer_milliseconds=constants.layer_milliseconds * min(threads, MOST_WAITING),
        token_milliseconds=0.0,
        operations_per_second=threads * constants.prompt_efficiency,
        share=1.0,
        is_known=machine.memory_bandwidth.source is not FigureSource.ASSUMED and constants.is_calibrated,
    )


def _read_bandwidth(bandwidth: Bandwidth, constants: Constants) -> float:
    """Return the bytes per second at which processors read weights."""
    is_measured = bandwidth.source is FigureSource.MEASURED
    return bandwidth.bytes_per_second * (READ_OF_MEASURED if is_measured else constants.efficiency)


def _core_share(shape: ModelShape, machine: Machine) -> float:
    """Return what a processor multiplies, as a share of a core with quantized weights."""
    if shape.weight_type in _FLOATS:
        return 1 / FLOAT_COST
    return VIRTUAL_CORE_SHARE if _are_virtual(machine) else 1.0


def _are_virtual(machine: Machine) -> bool:
    """Return whether processors may be hyperthreads; WSL shows real cores."""
    return machine.processors.are_virtual and not machine.platform.is_wsl


def _gpu(shape: ModelShape, gpu: Gpu, machine: Machine, share: float) -> SpeedDevice:
    constants = CONSTANTS[class_of_gpu(gpu)]
    bandwidth = _gpu_bandwidth(gpu, machine)
    nominal = _nominal(bandwidth)
    type_cost = LAW.k_quant_cost if _K_QUANT.match(shape.weight_type) else 1.0
    half = gpu.half_precision_flops or nominal * constants.flops_per_byte
    return SpeedDevice(
        constants=constants,
        bytes_per_second=nominal * constants.efficiency,
        weights_per_second=_vector_flops(gpu, nominal) * constants.arithmetic / 2 / type_cost,
        attention_flops=inf,
        copies_cache=gpu.backend in _COPYING,
        layer_milliseconds=_layer_milliseconds(shape, constants),
        token_milliseconds=LAW.token_milliseconds,
        operations_per_second=half * constants.prompt_efficiency,
        share=share,
        is_known=bandwidth.source is not FigureSource.ASSUMED and constants.is_calibrated,
    )


def _layer_milliseconds(shape: ModelShape, constants: Constants) -> float:
    architecture = shape.architecture
    more = LAW.mixture_milliseconds if architecture.expert_count else 0.0
    more += LAW.embedding_milliseconds if architecture.per_layer_embedding_length else 0.0
    return constants.layer_milliseconds + more


def _vector_flops(gpu: Gpu, bandwidth: float) -> float:
    """Return what a GPU computes without tensor cores, in proportion to its half-precision rate."""
    known = _find_gpu(gpu.name, gpu.total_bytes)
    if known is None:
        return bandwidth * VECTOR_FLOPS_PER_BYTE
    return known.vector_flops * (gpu.half_precision_flops or known.half_precision_flops) / known.half_precision_flops


_find_gpu = lru_cache(maxsize=16)(find_gpu)  # is asked for each candidate


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
