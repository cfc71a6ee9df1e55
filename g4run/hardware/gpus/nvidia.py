"""Find NVIDIA's cards with nvidia-smi: their memory, the programs that use it, and MIG slices."""

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from g4run.hardware.control_groups import read_text
from g4run.hardware.gpus.gpus import Card, Vendor
from g4run.hardware.machine import GpuKind, GpuProcess
from g4run.hardware.memory import Memory
from g4run.hardware.system import System

_MIB: Final = 1 << 20
_FORMAT: Final = "--format=csv,noheader,nounits"
_GPUS: Final = "--query-gpu=uuid,name,memory.total,memory.free,mig.mode.current,pci.bus_id"
_PROCESSES: Final = "--query-compute-apps=gpu_uuid,pid,used_memory,process_name"
# In WSL 2, the Windows driver installs it outside PATH.
_PROGRAMS: Final = ("nvidia-smi", "/usr/lib/wsl/lib/nvidia-smi")


class _Row(msgspec.Struct, frozen=True):
    """A card in the query; sizes are None if it has no memory of its own (GB10, Jetson)."""

    uuid: str
    name: str
    total_bytes: int | None
    free_bytes: int | None
    is_sliced: bool
    pci_address: str


def find_nvidia_cards(system: System, memory: Memory) -> tuple[Card, ...]:
    """Return the driver's cards, a MIG card as its slices, or a Jetson's GPU; empty without a driver."""
    program, answer = _first_answer(system)
    rows = [row for line in answer.splitlines() if (row := _parse_row(line)) is not None]
    if not rows:
        return _find_board(system, memory)
    processes = _find_processes(system, program)
    slices = _find_slices(system, program, rows) if any(row.is_sliced for row in rows) else {}
    cards: list[Card] = []
    for row in rows:
        cards += slices.get(row.uuid, []) if row.is_sliced else [_card(row, processes, memory)]
    return tuple(cards)


def _find_board(system: System, memory: Memory) -> tuple[Card, ...]:
    """Return a Jetson's GPU, which shares all memory; its older systems have no nvidia-smi."""
    model = (read_text(system.root / "proc/device-tree/model") or "").strip("\0")
    if "Jetson" not in model:
        return ()
    name = re.sub(r"\s+(Engineering Reference )?Developer Kit", "", model)
    return (Card(Vendor.NVIDIA, name, GpuKind.UNIFIED, memory.usable_bytes, memory.available_bytes),)


def _first_answer(system: System) -> tuple[str, str]:
    for program in _PROGRAMS:
        answer = system.run((program, _GPUS, _FORMAT))
        if answer is not None:
            return program, answer
    return "", ""


def _parse_row(line: str) -> _Row | None:
    fields = [field.strip() for field in line.split(",")]
    if len(fields) != 6:
        return None
    uuid, name, total, free, mig, address = fields
    return _Row(uuid, name, _parse_mib(total), _parse_mib(free), mig == "Enabled", _parse_address(address))


def _parse_mib(text: str) -> int | None:
    """Parse a number of MiB, with or without its unit; None for [N/A]."""
    number = text.split()[0] if text.split() else ""
    return int(number) * _MIB if number.isdigit() else None


def _parse_address(text: str) -> str:
    """Return an address in the kernel's notation; nvidia-smi writes the domain with eight digits."""
    domain, _, rest = text.lower().partition(":")
    return f"{domain[-4:]}:{rest}" if rest else ""


def _card(row: _Row, processes: dict[str, tuple[GpuProcess, ...]], memory: Memory) -> Card:
    is_shared = row.total_bytes is None
    return Card(
        vendor=Vendor.NVIDIA,
        name=row.name,
        kind=GpuKind.UNIFIED if is_shared else GpuKind.DISCRETE,
        total_bytes=memory.usable_bytes if row.total_bytes is None else row.total_bytes,
        free_bytes=memory.available_bytes if is_shared else row.free_bytes or 0,
        pci_address=row.pci_address,
        processes=processes.get(row.uuid, ()),
        identifier=row.uuid,
    )


def _find_processes(system: System, program: str) -> dict[str, tuple[GpuProcess, ...]]:
    """Return the compute programs by the card's UUID, largest first, if the driver reports their memory."""
    found: dict[str, tuple[GpuProcess, ...]] = {}
    for line in (system.run((program, _PROCESSES, _FORMAT)) or "").splitlines():
        fields = [field.strip() for field in line.split(",", 3)]
        if len(fields) == 4 and fields[1].isdigit() and (used := _parse_mib(fields[2])) is not None:
            process = GpuProcess(int(fields[1]), _process_name(fields[3], int(fields[1])), used)
            found[fields[0]] = (*found.get(fields[0], ()), process)
    return {uuid: tuple(sorted(rows, key=lambda row: -row.used_bytes)) for uuid, rows in found.items()}


def _process_name(path: str, pid: int) -> str:
    """Return a program's name without its directory; in a container, the driver does not know it."""
    return f"process {pid}" if path.startswith("[") or not path else re.split(r"[/\\]", path)[-1]


def _find_slices(system: System, program: str, rows: Iterable[_Row]) -> dict[str, list[Card]]:
    """Return slices by the card's UUID: profiles are in the list, memory is in the XML report, in the same order."""
    sizes = _slice_sizes(system.run((program, "-q", "-x")) or "")
    profiles = _slice_profiles(system.run((program, "-L")) or "")
    found: dict[str, list[Card]] = {}
    for row in rows:
        known = sizes.get(row.uuid, ())
        for number, profile in enumerate(profiles.get(row.uuid, ())):  # such as 3g.40gb
            size = known[number] if number < len(known) else _nominal(profile)
            card = Card(Vendor.NVIDIA, f"{row.name} MIG {profile}", GpuKind.DISCRETE, *size, row.pci_address)
            found.setdefault(row.uuid, []).append(card)
    return found


def _nominal(profile: str) -> tuple[int, int]:
    """Return total and free bytes by a profile's name, if the report lacks them."""
    size = int(re.sub(r"\D", "", profile.rpartition(".")[2]) or 0) << 30
    return size, size


def _slice_profiles(listing: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    uuid = ""
    for line in listing.splitlines():
        if line.startswith("GPU "):
            uuid = line.partition("(UUID: ")[2].rstrip(")")
        elif line.strip().startswith("MIG "):
            found.setdefault(uuid, []).append(line.split()[1])
    return found


def _slice_sizes(report: str) -> dict[str, list[tuple[int, int]]]:
    from xml.etree import ElementTree  # noqa: PLC0415 - takes 2 ms, and few cards have slices

    try:
        tree = ElementTree.fromstring(report)
    except ElementTree.ParseError:
        return {}
    return {
        (gpu.findtext("uuid") or ""): [
            (_parse_mib(usage.findtext("total") or "") or 0, _parse_mib(usage.findtext("free") or "") or 0)
            for usage in gpu.iterfind("mig_devices/mig_device/fb_memory_usage")
        ]
        for gpu in tree.iterfind("gpu")
    }
