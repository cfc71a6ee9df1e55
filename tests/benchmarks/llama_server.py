"""llama.cpp's own server as a neighbour: started on a free port, asked for tokens, stopped."""

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path

START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Completed:
    """One completion as its caller saw it; prompt and generation seconds are the side's own."""

    tokens: list[int]
    first_seconds: float
    seconds: float
    evaluated_tokens: int
    prompt_seconds: float
    generation_seconds: float

    @property
    def decode_speed(self) -> float:
        """Tokens per second after the first."""
        return (len(self.tokens) - 1) / self.generation_seconds

    @property
    def prompt_speed(self) -> float:
        """Tokens per second of what was evaluated of the prompt."""
        return self.evaluated_tokens / self.prompt_seconds


@dataclass(frozen=True, slots=True)
class LlamaServer:
    """A running server."""

    port: int
    pid: int

    def complete(self, tokens: list[int], max_tokens: int) -> tuple[str, list[int]]:
        """Text and tokens that greedy decoding gives after `tokens`; special tokens are left out of the text."""
        request = {
            "prompt": tokens,
            "n_predict": max_tokens,
            "temperature": 0,
            "return_tokens": True,
            "cache_prompt": False,
        }
        answer = self._post("/completion", json.dumps(request).encode())
        return str(answer["content"]), [int(token) for token in answer["tokens"]]  # type: ignore[attr-defined]

    def stream(self, tokens: list[int], max_tokens: int) -> Completed:
        """A greedy completion as it comes, with the prompt cache; the model's own end is ignored."""
        request = {
            "prompt": tokens,
            "n_predict": max_tokens,
            "temperature": 0,
            "return_tokens": True,
            "stream": True,
            "ignore_eos": True,
        }
        started = time.perf_counter()
        drawn: list[int] = []
        first = 0.0
        timings: dict[str, float] = {}
        with self._open("/completion", json.dumps(request).encode()) as response:
            for line in response:
                if line.startswith(b"data: "):
                    event = json.loads(line[len(b"data: ") :])
                    drawn += event.get("tokens", [])
                    first = first or (time.perf_counter() - started if drawn else 0.0)
                    timings = event.get("timings", timings)
        return Completed(
            tokens=drawn,
            first_seconds=first,
            seconds=time.perf_counter() - started,
            evaluated_tokens=int(timings["prompt_n"]),
            prompt_seconds=timings["prompt_ms"] / 1000,
            generation_seconds=timings["predicted_ms"] / 1000,
        )

    def peak_memory_bytes(self) -> int:
        """The most that was resident at any time."""
        return peak_memory_bytes(self.pid)

    def _post(self, path: str, body: bytes) -> dict[str, object]:
        with self._open(path, body) as response:
            return dict(json.load(response))

    def _open(self, path: str, body: bytes) -> HTTPResponse:
        address = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        response: HTTPResponse = urllib.request.urlopen(request, timeout=600)
        return response


@contextmanager
def llama_server(
    program: Path, model: Path, *, context_length: int, threads: int, sequences: int = 1
) -> Iterator[LlamaServer]:
    """Start the server with the settings that g4run loads with; stop it at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["-m", str(model), "-c", str(context_length), "-t", str(threads), "-fa", "on"]
    arguments += ["-np", str(sequences), "-kvu"]
    process = subprocess.Popen(
        [str(program), *arguments, "--host", "127.0.0.1", "--port", str(port), "--no-webui"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await_health(port, process)
        yield LlamaServer(port, process.pid)
    finally:
        process.kill()
        process.wait()


def peak_memory_bytes(pid: int) -> int:
    """Peak resident memory of a living process; Linux only."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the system does not say")


def _await_health(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"the server did not start (exit code {process.poll()})")
