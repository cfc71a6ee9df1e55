"""Nominal figures of typical machines, found by the name that a person gives."""

import re
import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from g4run.errors import UsageError
from g4run.hardware.gpus.gpu_table import find_gpu
from g4run.hardware.machine import Platform
from g4run.hardware.name_table import Entry, most_specific
from g4run.suggestions import MAX_SUGGESTIONS, did_you_mean, find_similar

_GIB: Final = 1 << 30
_SIZE: Final = re.compile(r"\b(\d{1,5})\s*g(?:i?b)?\b|\b(\d{1,3})\s*tb\b")
# What people add to a name; "pro" and "air" of a MacBook are not part of its chip's name.
_ADDED: Final = re.compile(
    r"\b(?:macbook|mac|imac)(?:\s+(?:pro|air|mini|studio))?\b|\b1[3-8](?:[- ]?inch|\")|\b20[12]\d\b|"
    r"\b\d+[- ]core(?:s)?\s+cpu\b|\b(?:apple|amd|nvidia|qualcomm|valve|valves|ram|memory|with|and|a|an|the|model|board|"
    r"windows|linux|x86|kit|developer|devkit|dev|machine|computer|chip|soc|phone|silicon|unified|of|rev|b)\b"
)
_MAX_DESKTOP_CORES: Final = 24


class KnownMachine(msgspec.Struct, frozen=True):
    """Nominal figures, none of them confirmed; `memory_bytes` are the usual sizes, the most usual first.

    `fast_cores` is None if all cores are alike. `gpu` is a name in the table of GPUs, "" for none, and `gpu_share` the
    part of main memory that it may use.
    """

    name: str
    memory_bytes: tuple[int, ...]
    cores: int
    fast_cores: int | None
    bandwidth: float  # bytes per second
    instruction_sets: tuple[str, ...]
    platform: Platform
    gpu: str
    gpu_share: float
    is_virtual: bool
    is_assumed: bool


def find_machine(text: str) -> tuple[KnownMachine, int]:
    """Find a machine by its name, and its memory in bytes. Raises UsageError, which names similar ones."""
    words, told = _split(text)
    rows = most_specific(_table(), words, words)
    if not rows:
        hint = _HINT if find_gpu(text) is None else f'use --gpu "{text}", which is a GPU'
        raise UsageError(f"there is no machine {text!r} in the table", did_you_mean(_similar(words), hint))
    return _nearest(rows, told)


def find_machine_with(gpu: str, memory_bytes: int | None) -> tuple[KnownMachine, int] | None:
    """Find the machine that a chip is the whole of, with its memory in bytes: a Mac for its chip."""
    own = (entry.row for entry in _table() if entry.row.gpu == gpu)
    rows = [row for row in own if row.gpu_share > _HALF or row.name == gpu]
    return _nearest(rows, memory_bytes) if rows else None


def typical_machine(platform: Platform, memory_bytes: int, cores: int | None) -> KnownMachine:
    """Return the typical machine of a platform with some memory, and about as many cores."""
    names = _TYPICAL.get((platform.system, platform.architecture), ("desktop", "server"))
    if cores is not None and cores > _MAX_DESKTOP_CORES:
        names = names[-1:]
    return _nearest([entry.row for entry in _table() if entry.row.name in names], memory_bytes)[0]


_HALF: Final = 0.5  # integrated graphics use at most half; their processor also goes with a card
_HINT: Final = "give its figures instead, as in --ram 16GB --cores 8 --bandwidth 60GB/s --gpu none"
_TYPICAL: Final = {("Linux", "arm64"): ("Raspberry Pi 5", "Graviton"), ("Windows", "arm64"): ("Snapdragon X Elite",)}


def _nearest(rows: Sequence[KnownMachine], memory_bytes: int | None) -> tuple[KnownMachine, int]:
    """Return the row with the nearest size of memory, and the memory: the usual one if none was given."""
    if memory_bytes is None:
        return rows[0], rows[0].memory_bytes[0]
    return min(rows, key=lambda row: min(abs(size - memory_bytes) for size in row.memory_bytes)), memory_bytes


def _similar(words: frozenset[str]) -> tuple[str, ...]:
    """Return the names with the most of the words, else those that look alike."""
    ranks = {entry.row.name: max((len(words & name), -len(name - words)) for name in entry.names) for entry in _table()}
    best = max(ranks.values())
    if best[0]:
        return tuple(name for name, rank in ranks.items() if rank == best)[:MAX_SUGGESTIONS]
    return find_similar(" ".join(sorted(words)), ranks)


def _split(text: str) -> tuple[frozenset[str], int | None]:
    """Split a name into its words and the memory in it."""
    lower = text.lower()
    size = _SIZE.search(lower)
    told = None if size is None else int(size[1] or int(size[2]) * 1024) * _GIB
    return _words(_ADDED.sub(" ", _SIZE.sub(" ", lower))), told


def _words(name: str) -> frozenset[str]:
    """Return the words of a name: "RPi5" -> raspberry, pi, 5; "M2Pro" -> m2, pro."""
    text = re.sub(r"\br(?:aspberry)?[\s-]*pi(?=\s|\d|-|$)", "raspberry pi ", name.lower())
    text = re.sub(r"\b(m\d)(?=pro|max|ultra)", r"\1 ", re.sub(r"(?<=\bpi)(?=\d)", " ", text))
    return frozenset(re.findall(r"[a-z0-9]+", text))


@cache
def _table() -> tuple[Entry[KnownMachine], ...]:
    content = tomllib.loads(Path(__file__).with_name("machine_table.toml").read_text("utf-8"))
    return tuple(_entry(row, content["sets"]) for row in content["machines"])


class _Row(msgspec.Struct, frozen=True):
    """A row of the file, without `unconfirmed`; sizes in GiB, bandwidth in GB per second."""

    name: str
    memory: tuple[int, ...]
    cores: int
    bandwidth: float
    sets: str
    source: str
    also: tuple[str, ...] = ()
    fast: int | None = None
    gpu: str = ""
    gpu_share: float = 1.0
    system: str = "Linux"
    architecture: str = "arm64"
    is_virtual: bool = False


def _entry(content: object, sets: dict[str, list[str]]) -> Entry[KnownMachine]:
    row = msgspec.convert(content, _Row)
    known = KnownMachine(
        name=row.name,
        memory_bytes=tuple(size * _GIB for size in row.memory),
        cores=row.cores,
        fast_cores=row.fast,
        bandwidth=row.bandwidth * 1e9,
        instruction_sets=tuple(sets[row.sets]),
        platform=Platform(row.system, row.architecture),
        gpu=row.gpu,
        gpu_share=row.gpu_share,
        is_virtual=row.is_virtual,
        is_assumed=row.source == "assumed",
    )
    return Entry(known, tuple(_words(name) for name in (row.name, *row.also)))
