"""Match the devices of ggml's backends with the cards that the system knows.

A card that several backends of a build list counts once, for the best of them. A card that none lists has no backend.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec
from msgspec.structs import replace

from g4run.engine.llama.devices import DeviceReport
from g4run.hardware.gpus.gpu_table import KnownGpu, find_gpu, words_of
from g4run.hardware.machine import Bandwidth, FigureSource, Gpu, GpuKind, GpuProcess
from g4run.hardware.memory import Memory

# Best first: speed and completeness on a card that several of them support.
_BACKENDS: Final = ("CUDA", "ROCm", "Metal", "MUSA", "SYCL", "Vulkan", "OpenCL", "WebGPU")
_BACKEND_NAMES: Final = {"MTL": "Metal", "HIP": "ROCm"}  # ggml-metal.cpp: GGML_METAL_NAME
_SOFTWARE: Final = ("llvmpipe", "swiftshader", "basic render")


class Vendor(StrEnum):
    """The maker of a card."""

    NVIDIA = "NVIDIA"
    AMD = "AMD"
    INTEL = "Intel"
    APPLE = "Apple"


_VENDORS: Final = {"CUDA": Vendor.NVIDIA, "ROCm": Vendor.AMD, "Metal": Vendor.APPLE}  # of backends for a single vendor


class Card(msgspec.Struct, frozen=True):
    """A GPU as the system reports it, whether or not the engine can use it.

    `nominal_name` is the name in the table, if `name` is ambiguous there. Without a driver (`has_driver`), nothing can
    compute on the card.
    """

    vendor: Vendor
    name: str
    kind: GpuKind
    total_bytes: int
    free_bytes: int
    pci_address: str = ""
    processes: tuple[GpuProcess, ...] = ()
    nominal_name: str = ""
    has_driver: bool = True
    identifier: str = ""  # the driver's UUID, which environment variables may contain

    @property
    def is_slice(self) -> bool:
        """Whether this is a MIG slice; CUDA shows a process only one of them."""
        return " MIG " in self.name


class FoundGpu(msgspec.Struct, frozen=True):
    """A GPU, and its card if the system reports one."""

    gpu: Gpu
    card: Card | None


def merge_gpus(
    devices: Sequence[DeviceReport], cards: Sequence[Card], memory: Memory, memory_bandwidth: Bandwidth
) -> tuple[FoundGpu, ...]:
    """Return every GPU once: those that the engine can use in its order, then the others."""
    left = list(cards)
    found: list[FoundGpu] = []
    for device in without_duplicates(devices):
        card = _find_card(device, left)
        if card is not None:
            left.remove(card)
        found.append(FoundGpu(_usable(device, card, memory, memory_bandwidth), card))
    return (*found, *(FoundGpu(_unusable(card, memory_bandwidth), card) for card in left))


def without_duplicates(devices: Iterable[DeviceReport]) -> Sequence[DeviceReport]:
    """Return one device per card, from its best backend, in the given order."""
    real = [replace(device, backend=backend_name(device.backend)) for device in devices]
    kept: list[DeviceReport] = []
    for device in sorted(real, key=lambda device: _rank(device.backend)):
        if not _has_better(device, real, kept):
            kept.append(device)
    return [device for device in real if device in kept]


def backend_name(registry: str) -> str:
    """Return our name of a registered backend."""
    return _BACKEND_NAMES.get(registry, registry)


def _has_better(device: DeviceReport, devices: Sequence[DeviceReport], kept: Sequence[DeviceReport]) -> bool:
    """Whether a better backend lists this card; equal cards without addresses are paired in order."""
    better = [other for other in kept if other.backend != device.backend]
    if device.pci_address and any(other.pci_address for other in better):
        return any(other.pci_address == device.pci_address for other in better)
    before = [other for other in devices[: devices.index(device)] if other.backend == device.backend]
    like_before = sum(_is_like(device.description, other.description) for other in before)
    counts: dict[str, int] = {}
    for other in better:
        if _is_like(device.description, other.description):
            counts[other.backend] = counts.get(other.backend, 0) + 1
    return max(counts.values(), default=0) > like_before


def _find_card(device: DeviceReport, cards: Sequence[Card]) -> Card | None:
    by_address = [card for card in cards if card.pci_address and card.pci_address == device.pci_address]
    by_name = [card for card in by_address or cards if _is_like(device.description, card.name)]
    if by_name:
        return by_name[0]
    return by_address[0] if by_address else _only_of_its_vendor(device, cards)


def _only_of_its_vendor(device: DeviceReport, cards: Sequence[Card]) -> Card | None:
    """Match by vendor, because a driver's name may be unlike the system's: "AMD Radeon Graphics (RADV GFX1151)"."""
    if device.pci_address and any(card.pci_address for card in cards):
        return None
    same = [card for card in cards if card.vendor is _vendor_of(device)]
    return same[0] if len(same) == 1 else None


def _vendor_of(device: DeviceReport) -> Vendor | None:
    if device.backend in _VENDORS:
        return _VENDORS[device.backend]
    text = device.description.lower()
    if "radeon" in text:
        return Vendor.AMD
    return next((vendor for vendor in Vendor if vendor.lower() in text), None)


def _usable(device: DeviceReport, card: Card | None, memory: Memory, memory_bandwidth: Bandwidth) -> Gpu:
    name = card.name if card is not None else _plain_name(device.description)
    total = device.total_bytes or (card.total_bytes if card else 0)
    known = find_gpu(card.nominal_name if card and card.nominal_name else name, total)
    if known is None:
        known = find_gpu(device.description, total)
    kind = _kind(device, card, known)
    return Gpu(
        name=name,
        kind=kind,
        backend=device.backend,
        total_bytes=total,
        free_bytes=min(total, _free_bytes(device, card, kind, memory)),
        bandwidth=_bandwidth(known, kind, memory_bandwidth),
        half_precision_flops=known.half_precision_flops if known else None,
        processes=card.processes if card else (),
    )


def _unusable(card: Card, memory_bandwidth: Bandwidth) -> Gpu:
    known = find_gpu(card.nominal_name or card.name, card.total_bytes or None)
    return Gpu(
        name=card.name,
        kind=card.kind,
        backend=None,
        total_bytes=card.total_bytes,
        free_bytes=min(card.total_bytes, card.free_bytes),
        bandwidth=_bandwidth(known, card.kind, memory_bandwidth),
        half_precision_flops=known.half_precision_flops if known else None,
        processes=card.processes,
    )


def _kind(device: DeviceReport, card: Card | None, known: KnownGpu | None) -> GpuKind:
    if card is not None:
        return card.kind
    if known is not None:
        return known.kind
    if device.backend == "Metal":
        return GpuKind.UNIFIED
    return GpuKind.INTEGRATED if device.kind == "igpu" else GpuKind.DISCRETE


def _free_bytes(device: DeviceReport, card: Card | None, kind: GpuKind, memory: Memory) -> int:
    """Return the system's figure for a discrete card: ggml's query creates a context, which takes memory itself.

    With shared memory, the available main memory is the limit.
    """
    if card is None:
        return device.free_bytes if kind is GpuKind.DISCRETE else min(device.free_bytes, memory.available_bytes)
    return card.free_bytes if kind is GpuKind.DISCRETE else min(device.free_bytes, card.free_bytes)


def _bandwidth(known: KnownGpu | None, kind: GpuKind, memory_bandwidth: Bandwidth) -> Bandwidth | None:
    """Return the table's bandwidth; for an integrated GPU, the measured bandwidth of main memory."""
    if kind is GpuKind.INTEGRATED and (known is None or memory_bandwidth.source is FigureSource.MEASURED):
        return memory_bandwidth
    return Bandwidth(known.bandwidth, FigureSource.NOMINAL) if known is not None else None


def _is_like(one: str, other: str) -> bool:
    """Whether two names mean the same kind of card: they have the same words, or the same entry in the table."""
    words, others = words_of(one), words_of(other)
    if words == others:
        return True
    known, known_other = find_gpu(one), find_gpu(other)
    return known is not None and known == known_other


def _plain_name(description: str) -> str:
    """Remove the driver's additions from a name: "AMD Radeon RX 7900 XTX (RADV NAVI31)"."""
    plain = re.sub(r"\((?:tm|r|c)\)", "", description, flags=re.IGNORECASE)
    return re.sub(r"\s*\((?:radv|amdvlk|nvk|llpc|anv|intel)[^)]*\)", "", plain, flags=re.IGNORECASE).strip()


def drop_software(devices: Iterable[DeviceReport], environment: Mapping[str, str]) -> Sequence[DeviceReport]:
    """Return the devices without software renderers, which count only if GGML_VK_VISIBLE_DEVICES names them."""
    if environment.get("GGML_VK_VISIBLE_DEVICES"):
        return tuple(devices)
    return [device for device in devices if not any(word in device.description.lower() for word in _SOFTWARE)]


def _rank(backend: str) -> int:
    return _BACKENDS.index(backend) if backend in _BACKENDS else len(_BACKENDS)
