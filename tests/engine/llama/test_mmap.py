"""Releasing the pages of a mapped model file."""

import mmap
import os
import sys
from pathlib import Path

import pytest

from g4run.engine.client import Engine
from g4run.engine.llama.mmap import find_mappings, release_mapped_pages
from g4run.engine.parameters import GenerationParameters, LoadParameters, SamplingParameters
from tests.engine.requests import DEMO

MAPS = """\
55d0c0a00000-55d0c0a02000 r--p 00000000 fe:01 1234 /usr/bin/python3
7f0000000000-7f0010000000 r--s 00000000 fe:01 99 /models/a model.gguf
7f0020000000-7f0020001000 r--s 00000000 fe:01 98 /usr/share/small
7f0030000000-7f0040000000 rw-s 00000000 00:01 97 /dev/shm/x
7f0050000000-7f0060000000 r--s 00000000 00:00 0
7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0 [stack]
"""


def test_only_large_shared_read_only_mappings_are_found() -> None:
    assert list(find_mappings(MAPS)) == [(0x7F0000000000, 0x10000000)]


def resident_bytes(path: Path) -> int:
    """Return how much of a mapped file is resident in this process."""
    lines = Path("/proc/self/smaps").read_text("utf-8").splitlines()
    start = next(index for index, line in enumerate(lines) if line.endswith(str(path)))
    return next(int(line.split()[1]) * 1024 for line in lines[start:] if line.startswith("Rss:"))


@pytest.mark.skipif(sys.platform != "linux", reason="pages are released on Linux only")
def test_released_pages_keep_their_content(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(os.urandom(1 << 20) * 4)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ) as mapped:
        before = mapped[:]
        assert resident_bytes(path) == 4 << 20
        release_mapped_pages()
        assert resident_bytes(path) == 0
        assert mapped[:] == before


def test_a_repacked_model_gives_the_same_answer(tmp_path: Path) -> None:
    """x86 does not repack the built-in model's Q8_0 matrices, but takes the same path otherwise."""
    answers = []
    for repack in (True, False):
        engine = Engine(LoadParameters(os.fsencode(DEMO), 256, threads=1, gpu_layers=0, repack=repack), tmp_path)
        parameters = GenerationParameters(max_tokens=20, sampling=SamplingParameters(temperature=0))
        answers.append([sampled.token for sampled in engine.generate([2, 10, 11, 12], parameters)])
        engine.close()
    assert answers[0] == answers[1] and len(answers[0]) > 0
