"""The locks that all tools on the cache share."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from g4run.errors import NotWritable
from g4run.models.hub_cache.layout import HubCache

REPOSITORY = "user/Repo-GGUF"
ROOT = Path(__file__).parents[3]


def run_python(code: str, home: Path) -> "subprocess.Popen[str]":
    environment = {**os.environ, "HF_HOME": str(home), "PYTHONPATH": str(ROOT)}
    environment.pop("HF_HUB_CACHE", None)
    command = [sys.executable, "-W", "error", "-c", code]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, text=True, stdin=pipe, stdout=pipe, stderr=pipe)


HOLD = """
import sys
from huggingface_hub.utils import WeakFileLock
with WeakFileLock(PATH):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_lock_is_huggingface_hubs_and_whoever_waits_says_so(tmp_path: Path) -> None:
    cache = HubCache(tmp_path / "hub")
    path = tmp_path / "hub" / ".locks" / "models--user--Repo-GGUF" / f"{'a' * 64}.lock"
    path.parent.mkdir(parents=True)
    waits = []
    with run_python(HOLD.replace("PATH", repr(str(path))), tmp_path) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"

        def on_wait() -> None:
            waits.append("waited")
            holder.kill()

        with cache.lock(REPOSITORY, "a" * 64, on_wait):
            assert waits == ["waited"]
        with cache.lock(REPOSITORY, "a" * 64, on_wait):
            assert waits == ["waited"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
def test_waiting_for_the_lock_can_be_interrupted(tmp_path: Path) -> None:
    cache = HubCache(tmp_path / "hub")
    code = f"""
from g4run.models.hub_cache.layout import HubCache
from g4run.settings import read_settings
with HubCache(read_settings().hub_cache).lock("{REPOSITORY}", "{"a" * 64}", lambda: print("waiting", flush=True)):
    print("had")
"""
    with cache.lock(REPOSITORY, "a" * 64, lambda: None), run_python(code, tmp_path) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "waiting\n"
        child.send_signal(signal.SIGINT)
        out, err = child.communicate()
    assert (out, err.strip().splitlines()[-1]) == ("", "KeyboardInterrupt")


def test_a_lock_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotWritable), HubCache(tmp_path / "file" / "hub").lock(REPOSITORY, "a" * 64, lambda: None):
        pass
