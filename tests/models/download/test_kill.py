import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from g4run.models.download.partial_file import present_bytes
from tests.fakes.hub_faults import FaultKind
from tests.models.download.downloads import NAME, REPOSITORY, Pull, pull_of, some_bytes

SIZE = 80_000_000
KILLS = 4


@pytest.fixture
def pull(tmp_path: Path) -> Iterator[Pull]:
    with pull_of(some_bytes(SIZE), tmp_path) as prepared:
        yield prepared


def start(pull: Pull) -> subprocess.Popen[bytes]:
    arguments = [pull.hub.endpoint, REPOSITORY, NAME, str(pull.partial), pull.sha256]
    command = [sys.executable, "-m", "tests.models.download.downloads", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_until_sent(pull: Pull, process: subprocess.Popen[bytes], sent_bytes: int) -> None:
    while pull.sent_bytes < sent_bytes and process.poll() is None:
        time.sleep(0.002)


def test_killed_at_random_moments_it_finishes_with_few_bytes_more(pull: Pull) -> None:
    pull.hub.set_rate(4_000_000)
    moments = random.Random(11)
    for _ in range(KILLS):
        process = start(pull)
        wait_until_sent(pull, process, pull.sent_bytes + moments.randrange(10_000_000))
        process.kill()
        process.communicate()
        assert process.returncode != 0
    assert 0 < present_bytes(pull.partial) < SIZE
    pull.hub.set_rate(None)
    pull.run()
    assert pull.is_finished()
    assert pull.sent_bytes <= 1.1 * SIZE


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for another process there")
@pytest.mark.parametrize("kind", [FaultKind.STALL, FaultKind.HANG])
def test_ctrl_c_ends_it_while_every_connection_waits(kind: FaultKind, pull: Pull) -> None:
    pull.hub.fault(kind, 1_000_000 if kind is FaultKind.STALL else 0, times=None)
    least = 2_500_000 if kind is FaultKind.STALL else 0
    process = start(pull)
    while len(pull.hub.requests) < 5 or present_bytes(pull.partial) < least:
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=20)  # a stall is waited for 30 seconds
    assert b"KeyboardInterrupt" in error
    kept = present_bytes(pull.partial)
    assert kept >= least
    pull.hub.faults.clear()
    assert pull.run().wire_bytes == SIZE - kept
    assert pull.is_finished()
