"""Runs modules of this package in processes of their own, so that a crash or hang in llama.cpp ends only those."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
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
    pipe = subprocess.PIPE
    return subprocess.Popen(_command(module, *arguments), stdin=pipe, stdout=pipe, stderr=stderr, **_options())


def ask(
    module: str, request: object, reply_type: type[Reply], timeout_seconds: float, arguments: Sequence[str] = ()
) -> Reply:
    """Send a request as JSON to a module's `main`, called with `arguments`, and decode the last line that it prints.

    The line counts even if the process crashes or hangs after it. Raises ProcessFailed if there is none.
    """
    command, message = _command(module, *arguments), msgspec.json.encode(request)
    try:
        ended = subprocess.run(command, input=message, capture_output=True, timeout=timeout_seconds, **_options())
        printed = ended.stdout
        failure = ProcessFailed(describe_end("llama.cpp", ended.returncode, ended.stderr.decode("utf-8", "replace")))
    except subprocess.TimeoutExpired as expired:
        printed = expired.stdout or b""
        failure = ProcessFailed(f"llama.cpp did not answer within {timeout_seconds:g} s", timed_out=True)
    except OSError as error:
        raise ProcessFailed(f"the process could not be started: {error.strerror}") from None
    *lines, _unfinished = printed.split(b"\n")
    if not lines:
        raise failure
    return msgspec.json.decode(lines[-1], type=reply_type)


def _command(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-P", "-c", _RUN_MODULE, str(_DIRECTORY), module, *arguments]


def _options() -> dict[str, Any]:
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    return {"env": os.environ | _ENVIRONMENT, "creationflags": flags, "start_new_session": sys.platform != "win32"}


def describe_end(name: str, return_code: int, log: str) -> str:
    """Say in one sentence how a process ended, with the failed assertion if its log has one."""
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
