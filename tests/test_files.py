"""Small files that several processes write."""

import os
import time
from pathlib import Path

import pytest

from g4run.files import write_atomically


def test_a_coarse_clock_gives_two_writers_two_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows' clock stands still for 15 ms, and two containers on one disk may have the same pid."""
    monkeypatch.setattr(time, "monotonic_ns", lambda: 0xABC)
    other = tmp_path / f".{os.getpid()}-abc.tmp"
    other.write_bytes(b"what another thread is about to rename")
    write_atomically(tmp_path / "record", b"ours")
    assert (tmp_path / "record").read_bytes() == b"ours"
    assert other.read_bytes() == b"what another thread is about to rename"
