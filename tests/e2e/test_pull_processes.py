"""Pulls as processes: killed in the middle, two at once, on a disk that is full, into a cache that is read-only."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import hf_hub_download, scan_cache_dir

from tests.e2e.processes import COMMAND, ROOT, run_g4run
from tests.fakes.gguf_files import SMALL, gemma4_file
from tests.fakes.hub import FakeHub

REPOSITORY = "acme/wide-GGUF"
FILE = "wide-F16.gguf"
NAME = "hf.co/acme/wide-GGUF:F16"
SUBJECT = f"{REPOSITORY}/{FILE}"
DEADLINE_SECONDS = 60.0


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of 40 MB that loads, filled with random numbers."""
    wide = replace(SMALL, name="wide", width=512, feed_forward=2048)
    return gemma4_file(wide).write(tmp_path_factory.mktemp("source") / FILE, "random")


@pytest.fixture
def hub(source: Path) -> Iterator[FakeHub]:
    with FakeHub() as served:
        served.add_repository(REPOSITORY, {FILE: source})
        yield served


@pytest.fixture
def environment(hub: FakeHub, tmp_path: Path) -> dict[str, str]:
    return {
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(tmp_path / "hf"),
        "G4RUN_HOME": str(tmp_path / "g4run"),
        "HOME": str(tmp_path / "person"),
    }


def start_pull(environment: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, "pull", NAME, "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, **environment},
        text=True,
    )


def listed(environment: Mapping[str, str]) -> list[str]:
    ended = run_g4run("list", "--json", environment=environment)
    assert (ended.code, ended.stderr) == (0, "")
    return [model["name"] for model in json.loads(ended.stdout)["models"]]


def test_a_pull_survives_repeated_kills(
    hub: FakeHub, environment: dict[str, str], source: Path, tmp_path: Path
) -> None:
    chance = random.Random(3)
    hub.set_rate(3_000_000)
    for kill in range(5):
        pull = start_pull(environment)
        floor = hub.sent_bytes(SUBJECT)
        until = floor + chance.randint(1_000_000, 6_000_000)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while hub.sent_bytes(SUBJECT) < until and time.monotonic() < deadline:
            time.sleep(0.01)
        pull.kill()
        pull.communicate()
        assert pull.returncode == -9 or sys.platform == "win32", f"kill {kill} came too late"
        assert listed(environment) == ["demo"]
    hub.set_rate(None)
    ended = run_g4run("pull", NAME, environment=environment)
    assert (ended.code, listed(environment)) == (0, [NAME, "demo"])
    size_bytes = source.stat().st_size
    # What lies in the sockets' buffers when a process is killed was sent, and is lost: a few MB a kill on loopback.
    in_flight_bytes = 5 * 4 * (2 << 20)
    assert size_bytes <= hub.sent_bytes(SUBJECT) <= size_bytes + in_flight_bytes
    cache = Path(environment["HF_HOME"]) / "hub"
    found = hf_hub_download(REPOSITORY, FILE, cache_dir=cache, local_files_only=True)
    assert Path(found).read_bytes() == source.read_bytes()
    assert scan_cache_dir(cache).warnings == []
    assert not [path for path in cache.rglob("*") if "g4run" in path.name]


def test_two_processes_download_a_file_once(hub: FakeHub, environment: dict[str, str], source: Path) -> None:
    hub.set_rate(10_000_000)
    pulls = [start_pull(environment), start_pull(environment)]
    outputs = [pull.communicate(timeout=DEADLINE_SECONDS) for pull in pulls]
    assert [pull.returncode for pull in pulls] == [0, 0], outputs
    assert hub.sent_bytes(SUBJECT) == source.stat().st_size
    events = [[json.loads(line)["event"] for line in stdout.splitlines()] for stdout, _ in outputs]
    assert [each[-1] for each in events] == ["done", "done"]
    assert sum("waiting" in each for each in events) == 1
    assert listed(environment) == [NAME, "demo"]


@pytest.mark.skipif(sys.platform == "win32", reason="a directory's permissions do not bind there")
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_read_only_cache_is_reported(environment: dict[str, str]) -> None:
    cache = Path(environment["HF_HOME"]) / "hub"
    cache.mkdir(parents=True)
    cache.chmod(0o500)
    ended = run_g4run("pull", NAME, environment=environment)
    assert ended.code == 1
    assert str(cache) in ended.stderr
    assert "Hint: " in ended.stderr


def test_a_file_in_place_of_the_cache_is_reported(environment: dict[str, str]) -> None:
    cache = Path(environment["HF_HOME"] + "-hub")
    cache.write_text("this is a file")
    ended = run_g4run("pull", NAME, environment={**environment, "HF_HUB_CACHE": str(cache)})
    assert ended.code == 1
    assert str(cache) in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Hint: " in ended.stderr
