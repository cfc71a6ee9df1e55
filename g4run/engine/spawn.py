"""Starts this package's own modules in processes of their own: the worker, the memory probe, the device query.

A driver that crashes or hangs, or an assertion in llama.cpp, then ends that process and not the program.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Any, TypeVar

import msgspec

from g4run.engine.log import failure_reason

Reply = TypeVar("Reply")

_DIRECTORY = Path(__file__).parents[2]
# Runs the package that this file belongs to, even if another g4run is installed, and nothing else from the directory
# that it lies in, nor from the current one (-P).
_RUN_MODULE = """
import sys
sys.path.insert(0, sys.argv[1])
import g4run
del sys.path[0]
__import__(sys.argv[2], fromlist=["main"]).main(*sys.argv[3:])
"""
_ENVIRONMENT = {
    "GGML_NO_BACKTRACE": "1",  # a failed assertion would start a debugger for seconds
    "OPENBLAS_NUM_THREADS": "1",  # numpy only draws tokens here; its threads would take the cores from ggml's
}
_ASSERTION_CODES = (-signal.SIGABRT, 3)  # 3 is what abort() returns on Windows


class ProcessFailed(Exception):
    """A process ended, or was ended after its timeout, without an answer; the message is one sentence."""

    def __init__(self, reason: str, *, timed_out: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.timed_out = timed_out


def start(module: str, *arguments: str, stderr: int | IO[Any]) -> "subprocess.Popen[bytes]":
    """Run a module's `main` with these arguments, in a session of its own so that Ctrl-C is ours to handle."""
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    return subprocess.Popen(
        [sys.executable, "-P", "-c", _RUN_MODULE, str(_DIRECTORY), module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=os.environ | _ENVIRONMENT,
        creationflags=flags,
        start_new_session=sys.platform != "win32",
    )


def ask(module: str, request: object, reply_type: type[Reply], timeout_seconds: float) -> Reply:
    """Send a request as JSON to a module's `main` and decode the last line that it prints.

    The line counts even if the process crashes or hangs after it. Raises ProcessFailed if there is none.
    """
    try:
        process = start(module, stderr=subprocess.PIPE)
    except OSError as error:
        raise ProcessFailed(f"the process could not be started: {error.strerror}") from None
    with process:
        printed, log, timed_out = _communicate(process, msgspec.json.encode(request), timeout_seconds)
    lines = printed.splitlines()
    if not printed.endswith(b"\n"):
        lines = lines[:-1]  # it ended within the line
    if lines:
        return msgspec.json.decode(lines[-1], type=reply_type)
    if timed_out:
        raise ProcessFailed(f"llama.cpp did not answer within {timeout_seconds:g} s", timed_out=True)
    raise ProcessFailed(describe_end("llama.cpp", process.returncode, log.decode("utf-8", "replace")))


def _communicate(
    process: "subprocess.Popen[bytes]", request: bytes, timeout_seconds: float
) -> tuple[bytes, bytes, bool]:
    """What it prints, what it logs, and whether it was killed after the timeout."""
    try:
        return *process.communicate(request, timeout_seconds), False
    except subprocess.TimeoutExpired:
        process.kill()
        return *process.communicate(), True
    finally:
        process.kill()  # Ctrl-C came; one that has ended is left alone


def describe_end(name: str, return_code: int, log: str) -> str:
    """How a process ended, in one sentence, with the assertion that failed if its log has one."""
    cause = f"{name} ended unexpectedly with code {return_code}"
    if return_code < 0:
        cause = f"{name} was ended by signal {_describe_signal(-return_code)}"
    reason = failure_reason(log) if return_code in _ASSERTION_CODES else ""
    return f"{cause}: {reason}" if reason else cause


def _describe_signal(number: int) -> str:
    names = {each.value: each.name for each in signal.Signals}  # real-time signals have none
    name = f" ({names[number]})" if number in names else ""
    guess = ", perhaps by the system for want of memory" if names.get(number) == "SIGKILL" else ""
    return f"{number}{name}{guess}"
