"""GPUs as people type them: "2x RTX 3090", "RTX 4090 48GB"."""

import re
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from g4run.errors import UsageError
from g4run.hardware.gpus.gpu_table import KnownGpu, find_gpu, find_rows, gpu_table, split_size, words_of
from g4run.suggestions import MAX_SUGGESTIONS, did_you_mean, find_similar

_MAX_GPUS: Final = 16  # GGML_SCHED_MAX_BACKENDS, ggml-backend.cpp
_BEFORE: Final = re.compile(r"(\d{1,3})\s*(?:[x×*]\s*|\s(?=[a-z]))(.+)", re.IGNORECASE)
_AFTER: Final = re.compile(r"(.+?)(?:(?:\s|(?<=\d))[x×]|\s*\*)\s*(\d{1,3})", re.IGNORECASE)
_LAPTOP: Final = re.compile(r"\b(?:mobile|notebook)\b", re.IGNORECASE)
_FORMS: Final = frozenset({"sxm", "pcie", "nvl"})  # of one GPU, which differ little


def split_gpus(text: str) -> tuple[str, ...]:
    """Return one name for each GPU of a text such as "2x RTX 3090, RTX 4090". Raises UsageError."""
    names: list[str] = []
    for part in re.split(r"\s*,\s*|\s+\+\s+", text.strip()):
        count, name = _split_count(part)
        if not 1 <= count <= _MAX_GPUS - len(names):
            raise UsageError(f"--gpu must name 1 to {_MAX_GPUS} GPUs, not {text!r}", '--gpu "2x RTX 3090"')
        names += [name] * count
    return tuple(names)


def _split_count(part: str) -> tuple[int, str]:
    if match := _BEFORE.fullmatch(part):
        return int(match[1]), match[2]
    match = _AFTER.fullmatch(part)
    return (int(match[2]), match[1]) if match else (1, part)


def find_named_gpu(name: str) -> KnownGpu | None:
    """Find a GPU that a person named, with the memory in the name. Raises UsageError if several GPUs may be meant."""
    name = _LAPTOP.sub("laptop", name)
    asked, told = split_size(name)
    rows = find_rows(asked)
    if not any(model <= asked for model in _models(rows)):
        _check_unambiguous(name, rows)
        if not re.search(r"\d", " ".join(asked)):
            _check_unambiguous(name, _with_words(asked))
    known = find_gpu(name)
    if known is None or told is None or " MIG " in known.name:
        return known
    is_name = any(words_of(name) <= entry.all_words for entry in gpu_table() if entry.row in rows)
    return rows[0] if is_name else replace(known, total_bytes=told)


def _with_words(asked: frozenset[str]) -> list[KnownGpu]:
    """Return all entries with the words, which have no number to tell them apart."""
    return [entry.row for entry in gpu_table() if asked and any(asked <= words for words in entry.names)]


def _check_unambiguous(name: str, candidates: Sequence[KnownGpu]) -> None:
    if len(_models(candidates)) > 1:
        names = tuple(dict.fromkeys(gpu.name for gpu in candidates))[:MAX_SUGGESTIONS]
        raise UsageError(f"{name!r} may be several GPUs", did_you_mean(names))


def _models(gpus: Sequence[KnownGpu]) -> frozenset[frozenset[str]]:
    """Return the words of their names, without those that tell forms of one GPU apart."""
    return frozenset(split_size(gpu.name)[0] - _FORMS for gpu in gpus)


def similar_gpus(name: str) -> tuple[str, ...]:
    """Return names of the table that look like a name."""
    return find_similar(name, dict.fromkeys(entry.row.name for entry in gpu_table()))
