"""Throughput of a download beside huggingface_hub's own, in alternating pairs, and what being killed costs.

    python -m tests.benchmarks.download [--shape e2b] [--pairs 5] [--kills 5] [--directory DIRECTORY]

A local Hub in a process of its own serves a file with the shapes of a real model at Q4_K_M, its data a hole. Each
download is a process, into empty directories, timed from its start to its end: `g4run pull` with the digest checked,
the file on the disk itself, its header read and its name in the store; huggingface_hub's hf_hub_download (over HTTP,
HF_HUB_DISABLE_XET=1) without any of these. One more pull is killed with -9 at random moments and then finished; after
it, huggingface_hub itself is asked for the file, offline, and scans its cache.
"""

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.shapes.sizes import SHAPES
from scripts.shapes.writer import write_shape
from tests.fakes.hub import FakeHub

REPOSITORY = "user/Large-GGUF"
NAME = "large-Q4_K_M.gguf"
_PULL = (sys.executable, "-m", "g4run", "pull", f"hf.co/{REPOSITORY}:Q4_K_M")

_THEIRS = """
import sys
from huggingface_hub import hf_hub_download
hf_hub_download(sys.argv[1], sys.argv[2])
"""
_AFTERWARDS = """
import hashlib, sys
from huggingface_hub import hf_hub_download, scan_cache_dir
path = hf_hub_download(sys.argv[1], sys.argv[2], local_files_only=True)
with open(path, "rb") as file:
    assert hashlib.file_digest(file, "sha256").hexdigest() == sys.argv[3], "another digest"
assert scan_cache_dir().warnings == [], scan_cache_dir().warnings
"""


@dataclass(frozen=True, slots=True)
class Setup:
    """What is downloaded, from where and to where."""

    server: "Server"
    work: Path
    size_bytes: int
    sha256: str


class Server:
    """The local Hub in a process of its own, which tells how many bytes it sent."""

    def __init__(self, directory: Path) -> None:
        command = [sys.executable, "-m", "tests.benchmarks.download", "--serve", str(directory)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.endpoint, self.sha256 = self._read()

    def sent_bytes(self) -> int:
        """Of file contents, until now."""
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(self._read()[0])

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _read(self) -> list[str]:
        assert self._process.stdout
        return self._process.stdout.readline().split()


def main() -> None:
    """Measure, and print every pair, the median ratio, and the bytes of the killed download."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="e2b")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--directory", type=Path, help="where there is room for the file three times")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        _serve(given.serve)
        return
    with _prepared(given.shape, given.directory) as setup:
        pairs = [_pair(setup, number) for number in range(given.pairs)]
        if pairs:
            ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
            ratio = statistics.median(our / their for our, their in pairs)
            _print(f"download: g4run {ours:.0f}, huggingface_hub {theirs:.0f} MB/s; median ratio {ratio:.2f}")
        if given.kills:
            _kill_and_finish(setup, given.kills)


def _pair(setup: Setup, number: int) -> tuple[float, float]:
    """Both speeds, in MB/s; who comes first alternates."""
    if number % 2:
        theirs = _their_speed(setup)
        ours = _our_speed(setup)
    else:
        ours = _our_speed(setup)
        theirs = _their_speed(setup)
    _print(f"pair {number + 1}: g4run {ours:.0f}, huggingface_hub {theirs:.0f} MB/s, ratio {ours / theirs:.2f}")
    return ours, theirs


def _our_speed(setup: Setup) -> float:
    with _empty(setup.work / "ours") as directory:
        start = time.perf_counter()
        _pull(setup, directory)
        return setup.size_bytes / (time.perf_counter() - start) / 10**6


def _their_speed(setup: Setup) -> float:
    with _empty(setup.work / "theirs") as directory:
        start = time.perf_counter()
        _python(setup, directory, _THEIRS)
        return setup.size_bytes / (time.perf_counter() - start) / 10**6


def _pull(setup: Setup, directory: Path) -> None:
    subprocess.run(_PULL, env=_environment(setup, directory), stderr=subprocess.DEVNULL, check=True)


def _python(setup: Setup, directory: Path, program: str, **more: str) -> None:
    command = [sys.executable, "-c", program, REPOSITORY, NAME, setup.sha256]
    subprocess.run(command, env=_environment(setup, directory) | more, check=True)


def _environment(setup: Setup, directory: Path) -> dict[str, str]:
    return os.environ | {
        "HF_ENDPOINT": setup.server.endpoint,
        "HF_HOME": str(directory),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "G4RUN_HOME": str(directory / "g4run"),
    }


def _kill_and_finish(setup: Setup, kills: int) -> None:
    """Kill a pull at moments spread over its length, finish it, and print what went over the wire."""
    whole_seconds = setup.size_bytes / 10**6 / _our_speed(setup)
    before = setup.server.sent_bytes()
    with _empty(setup.work / "killed") as directory:
        for _ in range(kills):
            process = subprocess.Popen(_PULL, env=_environment(setup, directory), stderr=subprocess.DEVNULL)
            time.sleep(0.8 + random.uniform(0.1, 1.2) * whole_seconds / (kills + 1))  # 0.8: it starts and plans
            process.kill()
            if process.wait() == 0:
                _print("it was finished before it was killed")
        _pull(setup, directory)
        sent = setup.server.sent_bytes() - before
        _python(setup, directory, _AFTERWARDS, HF_HUB_OFFLINE="1")
    _print(f"killed {kills} times: {sent / setup.size_bytes:.3f} times the file's bytes over the wire, digest right")


@contextmanager
def _prepared(shape: str, directory: Path | None) -> Iterator[Setup]:
    """A sparse file on a local Hub; everything is removed afterwards."""
    with tempfile.TemporaryDirectory(dir=directory, prefix="g4run-download-") as work:
        source = Path(work) / "hub" / REPOSITORY / NAME
        source.parent.mkdir(parents=True)
        write_shape(shape, "Q4_K_M", source)
        server = Server(Path(work) / "hub")
        try:
            yield Setup(server, Path(work), source.stat().st_size, server.sha256)
        finally:
            server.stop()


def _serve(directory: Path) -> None:
    with FakeHub() as hub:
        hub.add_repository(REPOSITORY, {NAME: directory / REPOSITORY / NAME})
        _print(f"{hub.endpoint} {hub.file(REPOSITORY, NAME).sha256}")
        for _ in sys.stdin:
            _print(str(hub.sent_bytes()))


@contextmanager
def _empty(directory: Path) -> Iterator[Path]:
    directory.mkdir()
    try:
        yield directory
    finally:
        shutil.rmtree(directory)
        if hasattr(os, "sync"):
            os.sync()
        time.sleep(2)  # what the file system does about the removal is not the next one's time


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
