"""Somebody with an empty home who types commands, and a repository on a local Hub to type them about."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from g4run.models.library import DEMO_PATH
from tests.e2e.processes import COMMAND, DEADLINE_SECONDS, ROOT, Ended, run_g4run
from tests.fakes.hub import FakeHub

REPOSITORY = "acme/demo-GGUF"
FILE = "demo-F16.gguf"
NAME = f"hf.co/{REPOSITORY}:F16"
SIZE = DEMO_PATH.stat().st_size
SLOW = SIZE // 40  # bytes a second on each of a few connections: ten seconds and more for the file
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals and pseudo-terminals are POSIX's own")


class Person:
    """Somebody with an empty home, who types commands."""

    def __init__(self, hub: FakeHub, home: Path) -> None:
        self.home = home
        self.cache = home / "hf" / "hub"
        self.environment = {
            "HOME": str(home),
            "USERPROFILE": str(home),
            "G4RUN_HOME": str(home / "g4run"),
            "HF_HOME": str(home / "hf"),
            "HF_ENDPOINT": hub.endpoint,
            "COLUMNS": "80",
        }

    def types(self, *arguments: str, **more: str) -> Ended:
        return run_g4run(*arguments, environment={**self.environment, **more})

    def pipes(self, stdin: bytes, *arguments: str) -> Ended:
        return run_g4run(*arguments, stdin=stdin, environment=self.environment)

    def asks(self, *arguments: str, **more: str) -> dict[str, object]:
        """One JSON object of a command that succeeds."""
        ended = self.types(*arguments, "--json", **more)
        assert (ended.code, ended.stderr) == (0, "")
        value: dict[str, object] = json.loads(ended.stdout)
        return value

    def models(self) -> list[str]:
        found = self.asks("list")["models"]
        assert isinstance(found, list)
        return [model["name"] for model in found]

    def blob(self, digest: str) -> Path:
        return self.cache / "models--acme--demo-GGUF" / "blobs" / digest


def events(stdout: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in stdout.splitlines()]


def error_of(ended: Ended) -> tuple[int, object]:
    """Exit code, and the code of the error that is the last line of JSON."""
    error = events(ended.stdout)[-1]["error"]
    assert isinstance(error, dict)
    return ended.code, error["code"]


def start(environment: Mapping[str, str], *arguments: str) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
        cwd=ROOT,
        env={**os.environ, **environment},
        text=True,
    )


def stop_midway(person: Person, hub: FakeHub) -> tuple[int, str]:
    """Press Ctrl-C when a tenth of the file is here: exit code, and what was written after that."""
    hub.set_rate(SLOW)
    with start(person.environment, "pull", NAME, "--json") as process:
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "progress" and event["completed_bytes"] > SIZE // 10:
                break
        process.send_signal(signal.SIGINT)
        rest, stderr = process.communicate(timeout=DEADLINE_SECONDS)
    hub.set_rate(None)
    assert stderr == ""
    return process.returncode, rest
