import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from g4run.errors import DiskFull, G4RunError, NotWritable
from g4run.models.download.partial_file import present_bytes
from tests.fakes.hub_faults import FaultKind
from tests.models.download.downloads import NAME, REPOSITORY, Pull, pull_of, some_bytes

SIZE = 6_000_000


@pytest.fixture
def pull(tmp_path: Path) -> Iterator[Pull]:
    with pull_of(some_bytes(SIZE), tmp_path) as prepared:
        yield prepared


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    directory = tmp_path / "small"
    directory.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting needs root on Linux")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", directory], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    yield directory
    subprocess.run(["umount", "-l", directory], check=True)


def test_a_full_disk_keeps_what_came(pull: Pull, small_disk: Path) -> None:
    pull.partial = small_disk / "blobs" / "blob.g4run.incomplete"
    with pytest.raises(DiskFull) as caught:
        pull.run()
    assert caught.value.message == f"the disk is full: {pull.partial.parent}"
    assert caught.value.hint == "free some space and run the same command again to resume"
    kept = present_bytes(pull.partial)
    assert kept > 2_000_000
    assert all(pull.partial.read_bytes()[start:end] == pull.content[start:end] for start, end in pull.recorded())
    subprocess.run(["mount", "-o", "remount,size=20m", small_disk], check=True)
    assert pull.run().wire_bytes == SIZE - kept
    assert pull.is_finished()


def test_a_file_larger_than_the_file_system_allows(pull: Pull) -> None:
    if sys.platform == "win32":
        pytest.skip("no limit to set")
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000));"
        "from tests.models.download.downloads import main; main()"
    )
    arguments = [pull.hub.endpoint, REPOSITORY, NAME, str(pull.partial), pull.sha256]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert "DiskFull: the file system or a limit does not allow a file of 6.0 MB" in done.stderr


def test_a_directory_that_cannot_be_made(pull: Pull, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    pull.partial = tmp_path / "file" / "blobs" / "blob.g4run.incomplete"
    with pytest.raises(NotWritable) as caught:
        pull.run()
    assert caught.value.hint == "set HF_HOME to a writable directory"


def test_a_read_only_file_system(pull: Pull, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    pull.partial = small_disk / "blob.g4run.incomplete"
    with pytest.raises(NotWritable, match="Read-only file system"):
        pull.run()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be removed there")
def test_an_unfinished_file_that_is_removed_while_it_comes(pull: Pull) -> None:
    def prune(done_bytes: int) -> None:
        pull.partial.unlink(missing_ok=True)

    pull.hub.fault(FaultKind.STALL, 600_000)
    pull.set_stall(0.3)
    with pytest.raises(G4RunError) as caught:
        pull.run(on_progress=prune)
    assert caught.value.message.startswith("another program removed the unfinished download")
    pull.run()
    assert pull.is_finished()


def test_no_thread_and_no_file_is_left_open(pull: Pull) -> None:
    code = (
        "import json, os, sys, threading; from tests.models.download.downloads import main; main();"
        "print(json.dumps([t.name for t in threading.enumerate()]))"
    )
    arguments = [pull.hub.endpoint, REPOSITORY, NAME, str(pull.partial), pull.sha256]
    done = subprocess.run([sys.executable, "-X", "dev", "-c", code, *arguments], capture_output=True, text=True)
    assert json.loads(done.stdout.splitlines()[-1]) == ["MainThread"]
    assert done.stderr == ""
