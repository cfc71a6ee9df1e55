"""Find the cards in Linux's /sys/class/drm: AMD's, Intel's, and NVIDIA's without a driver."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from g4run.hardware.control_groups import read_number, read_text
from g4run.hardware.gpus.gpu_table import find_gpu
from g4run.hardware.gpus.gpus import Card, Vendor
from g4run.hardware.machine import GpuKind, GpuProcess
from g4run.hardware.memory import Memory
from g4run.hardware.memory_processes import process_name

_VENDORS: Final = {"0x10de": Vendor.NVIDIA, "0x1002": Vendor.AMD, "0x8086": Vendor.INTEL}
_PCI_NAMES: Final = ("usr/share/hwdata/pci.ids", "usr/share/misc/pci.ids")
_AMD_NAMES: Final = "usr/share/libdrm/amdgpu.ids"
# Names of integrated graphics: Radeon 780M, Radeon 8060S, Radeon Graphics, Vega 8 Graphics.
_INTEGRATED: Final = re.compile(
    r"radeon(?!.*\brx\b).*(\b\d{3,4}[ms]\b|\bvega \d+ graphics|(?<!rx )\bgraphics\b)", re.IGNORECASE
)


def find_pci_cards(root: Path, memory: Memory, *, has_nvidia_driver: bool) -> tuple[Card, ...]:
    """Return the cards in the kernel's order; NVIDIA's only without its driver, which reports more."""
    cards: list[Card] = []
    for directory in _directories(root / "sys/class/drm"):
        vendor = _VENDORS.get(read_text(directory / "vendor") or "")
        if vendor is Vendor.AMD:
            cards += _amd_card(root, directory, memory)
        elif vendor is Vendor.INTEL:
            cards += _intel_card(root, directory, memory)
        elif vendor is Vendor.NVIDIA and not has_nvidia_driver:
            cards += _card_without_driver(root, directory)
    return tuple(cards)


def _directories(drm: Path) -> list[Path]:
    found = [path for path in drm.glob("card*") if path.name[4:].isdigit()]
    return [path / "device" for path in sorted(found, key=lambda path: int(path.name[4:]))]


def _amd_card(root: Path, directory: Path, memory: Memory) -> Iterator[Card]:
    """Yield the card; integrated graphics have reserved memory, and may use main memory up to the GTT size."""
    own, own_used = read_number(directory / "mem_info_vram_total"), read_number(directory / "mem_info_vram_used") or 0
    if not own:
        return
    name = _amd_name(root, directory)
    known = find_gpu(name)
    is_integrated = known.kind is not GpuKind.DISCRETE if known else _INTEGRATED.search(name) is not None
    shared, shared_free = _shared_memory(directory, memory) if is_integrated else (0, 0)
    address = _address(directory)
    yield Card(
        vendor=Vendor.AMD,
        name=name,
        kind=(known.kind if known else GpuKind.INTEGRATED) if is_integrated else GpuKind.DISCRETE,
        total_bytes=own + shared,
        free_bytes=max(0, own - own_used) + shared_free,
        pci_address=address,
        processes=_amd_processes(root, address),
    )


def _shared_memory(directory: Path, memory: Memory) -> tuple[int, int]:
    """Return how much main memory integrated graphics may use, and how much of it is free."""
    total = read_number(directory / "mem_info_gtt_total") or 0
    left = total - (read_number(directory / "mem_info_gtt_used") or 0)
    return total, max(0, min(left, memory.available_bytes))


def _amd_name(root: Path, directory: Path) -> str:
    """Return the product name, else libdrm's for device and revision, else the PCI list's."""
    device, revision = _identity(directory / "device"), _identity(directory / "revision")
    said = read_text(directory / "product_name")
    for line in () if said else (read_text(root / _AMD_NAMES) or "").splitlines():
        fields = [field.strip() for field in line.split(",", 2)]
        if len(fields) == 3 and (fields[0].lower(), fields[1].lower().zfill(2)) == (device, revision):
            said = fields[2]
    return said or _pci_name(root, "1002", device) or f"AMD GPU {device}"


def _amd_processes(root: Path, address: str) -> tuple[GpuProcess, ...]:
    """Return the programs that use ROCm, largest first (kernel, amdkfd: proc/<pid>/vram_<gpu id>)."""
    kfd = root / "sys/class/kfd/kfd"
    gpu_ids = [read_text(node / "gpu_id") for node in kfd.glob("topology/nodes/*") if _node_address(node) == address]
    held = [
        GpuProcess(int(path.parent.name), process_name(root, int(path.parent.name)), used)
        for gpu_id in gpu_ids
        for path in kfd.glob(f"proc/*/vram_{gpu_id}")
        if path.parent.name.isdigit() and (used := read_number(path))
    ]
    return tuple(sorted(held, key=lambda process: -process.used_bytes))


def _node_address(node: Path) -> str:
    """Return the PCI address; location_id packs bus, device and function."""
    properties = dict(
        line.split() for line in (read_text(node / "properties") or "").splitlines() if len(line.split()) == 2
    )
    location, domain = int(properties.get("location_id", "0")), int(properties.get("domain", "0"))
    return f"{domain:04x}:{location >> 8:02x}:{location >> 3 & 31:02x}.{location & 7}"


def _intel_card(root: Path, directory: Path, memory: Memory) -> Iterator[Card]:
    """Yield the card with its memory from the driver or the table; integrated graphics share main memory."""
    device = _identity(directory / "device")
    name = _pci_name(root, "8086", device) or f"Intel GPU {device}"
    known = find_gpu(name)
    own = read_number(directory / "lmem_total_bytes") or (known.total_bytes if known else 0)
    free = read_number(directory / "lmem_avail_bytes") or own
    kind = GpuKind.DISCRETE if own else GpuKind.INTEGRATED
    sizes = (own, free) if own else (memory.usable_bytes, memory.available_bytes)
    yield Card(Vendor.INTEL, name, kind, *sizes, pci_address=_address(directory))


def _card_without_driver(root: Path, directory: Path) -> Iterator[Card]:
    """Yield a card of which only the name is known; none if the name is unknown too."""
    name = _pci_name(root, "10de", _identity(directory / "device"))
    known = find_gpu(name)
    if known is not None:
        size = known.total_bytes
        yield Card(Vendor.NVIDIA, name, known.kind, size, size, pci_address=_address(directory), has_driver=False)


def _pci_name(root: Path, vendor: str, device: str) -> str:
    """Return a device's name in the PCI list, the part in brackets if there is one."""
    text = next((text for name in _PCI_NAMES if (text := read_text(root / name))), "")
    section = re.search(rf"^{vendor}  (.*)\n((?:[\t#].*\n?)*)", text, re.MULTILINE)
    found = re.search(rf"^\t{device}  (.*)$", section[2], re.MULTILINE) if section else None
    if found is None:
        return ""
    inner = re.search(r"\[(.+)\]", found[1])
    maker = next(vendor_name for number, vendor_name in _VENDORS.items() if number == f"0x{vendor}")
    name = inner[1] if inner else found[1]
    return name if name.startswith(maker.value) else f"{maker.value} {name}"


def _identity(path: Path) -> str:
    return (read_text(path) or "").removeprefix("0x").lower()


def _address(directory: Path) -> str:
    found = re.search(r"^PCI_SLOT_NAME=(.*)$", read_text(directory / "uevent") or "", re.MULTILINE)
    return found[1].lower() if found else ""
