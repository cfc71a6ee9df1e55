"""Nominal figures of known GPUs, found by the name that a driver, a backend or a user gives."""

import re
import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from g4run.hardware.machine import GpuKind
from g4run.hardware.name_table import Entry, completions, most_specific

_GIB: Final = 1 << 30
# Words that do not identify a GPU.
_NOISE: Final = frozenset(
    (  # noqa: SIM905 - a sentence of words is read, and changed, more easily than a list
        "nvidia geforce amd ati intel apple radeon graphics gpu core generation corporation tesla workstation server "
        "edition tm r c w with"
    ).split()
)
# Words that distinguish GPUs, besides those in the table.
_DISTINGUISHING: Final = frozenset({"mobile", "laptop", "q", "ultra", "max+"})
_MIG: Final = re.compile(r"\bmig\s+(\d)g\.(\d+)gb\b")
_MIG_EIGHTHS, _MIG_SEVENTHS = 8, 7  # NVIDIA MIG user guide: slices of memory, slices of computing


class KnownGpu(msgspec.Struct, frozen=True):
    """Nominal figures, none of them confirmed; `source` is where to check them.

    `total_bytes` is 0 if the GPU uses main memory, which comes in many sizes. `half_precision_flops` is dense, per
    second; for Pascal cards it is single precision, which is faster there. `vector_flops` are without tensor cores.
    """

    name: str
    total_bytes: int
    bandwidth: float  # bytes per second
    half_precision_flops: float
    vector_flops: float
    source: str
    kind: GpuKind = GpuKind.DISCRETE


def find_gpu(name: str, total_bytes: int | None = None) -> KnownGpu | None:
    """Find a GPU in the table; `total_bytes` decides between entries of one name. A MIG slice gets its share.

    The name may have more words than the table's ("AMD Radeon RX 7900 XTX (RADV NAVI31)") or fewer ("4090"), but "RTX
    4090 Laptop GPU" is not an RTX 4090.
    """
    slice_of = _MIG.search(name.lower())
    if slice_of is not None:
        whole = find_gpu(name[: slice_of.start()])
        return None if whole is None else _share(whole, int(slice_of[1]), int(slice_of[2]))
    asked, told = split_size(name)
    return nearest(find_rows(asked), total_bytes or told)


def find_rows(asked: frozenset[str]) -> list[KnownGpu]:
    """Return the entries that some words may mean: several if they differ in memory, or if the name is partial."""
    if not asked:
        return []
    return most_specific(gpu_table(), asked, _distinguishing_words()) or completions(gpu_table(), asked)


def split_size(name: str) -> tuple[frozenset[str], int | None]:
    """Split a name into the words that identify the GPU and the memory in it: "RTX 3060 8GB"."""
    words = words_of(name)
    sizes = sorted(word for word in words if re.fullmatch(r"\d+gb", word))
    return words.difference(sizes), next((int(size[:-2]) * _GIB for size in sizes), None)


def find_memory_bandwidth(processor: str) -> float | None:
    """Return the nominal bandwidth of main memory if the processor is a chip with unified memory."""
    known = find_gpu(processor)
    return known.bandwidth if known is not None and known.kind is GpuKind.UNIFIED else None


def words_of(name: str) -> frozenset[str]:
    """Return the words of a name that identify the GPU: "NVIDIA GeForce RTX4090" -> rtx, 4090."""
    text = re.sub(r"\((r|tm|c)\)", " ", name.lower())
    text = re.sub(r"\b(rtx|gtx|rx|arc|radeon|quadro)(?=\d)", r"\1 ", text)
    text = re.sub(r"(?<=\d)(ti|xtx|xt|super|gre)\b", r" \1", text)
    text = re.sub(r"\bsxm\d\b", "sxm", text)
    text = re.sub(r"(?<=\d)\s*g(?:i?b)?\b", "gb", text)
    return frozenset(re.findall(r"[a-z0-9+]+", text)) - _NOISE


def nearest(gpus: Sequence[KnownGpu], memory_bytes: int | None) -> KnownGpu | None:
    """Return the entry with the nearest memory; the first if the memory is unknown."""
    if memory_bytes is None:
        return gpus[0] if gpus else None
    return min(gpus, key=lambda gpu: abs(gpu.total_bytes - memory_bytes), default=None)


def _share(gpu: KnownGpu, sevenths: int, memory: int) -> KnownGpu:
    """Return a MIG slice: sevenths of the compute, and the eighths of the memory nearest to its size."""
    eighths = max(1, round(memory * _GIB / gpu.total_bytes * _MIG_EIGHTHS))
    return replace(
        gpu,
        name=f"{gpu.name} MIG {sevenths}g.{memory}gb",
        total_bytes=memory * _GIB,
        bandwidth=gpu.bandwidth * min(eighths, _MIG_EIGHTHS) / _MIG_EIGHTHS,
        half_precision_flops=gpu.half_precision_flops * sevenths / _MIG_SEVENTHS,
        vector_flops=gpu.vector_flops * sevenths / _MIG_SEVENTHS,
    )


@cache
def _distinguishing_words() -> frozenset[str]:
    return _DISTINGUISHING.union(*(entry.all_words for entry in gpu_table()))


@cache
def gpu_table() -> tuple[Entry[KnownGpu], ...]:
    """Read the table, once."""
    content = tomllib.loads(Path(__file__).with_name("gpu_table.toml").read_text("utf-8"))
    return tuple(_entry(row, content["sources"], content["vector_shares"]) for row in content["gpus"])


class _Row(msgspec.Struct, frozen=True):
    """A row of the file, without `unconfirmed`; memory in GiB, bandwidth in GB and rates in 10^12 per second."""

    name: str
    memory: float
    bandwidth: float
    half: float
    source: str
    also: tuple[str, ...] = ()
    vector: float | None = None
    kind: GpuKind = GpuKind.DISCRETE


def _entry(content: object, sources: dict[str, str], vector_shares: dict[str, float]) -> Entry[KnownGpu]:
    row = msgspec.convert(content, _Row)
    gpu = KnownGpu(
        name=row.name,
        total_bytes=int(row.memory * _GIB),
        bandwidth=row.bandwidth * 1e9,
        half_precision_flops=row.half * 1e12,
        vector_flops=(row.half * vector_shares[row.source] if row.vector is None else row.vector) * 1e12,
        source=sources[row.source],
        kind=row.kind,
    )
    return Entry(gpu, tuple(words_of(name) for name in (row.name, *row.also)))
