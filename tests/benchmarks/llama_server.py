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
from pathlib import Path

START_SECONDS = 120.0


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

    def peak_memory_bytes(self) -> int:
        """The most that was resident at any time."""
        return peak_memory_bytes(self.pid)

    def _post(self, path: str, body: bytes) -> dict[str, object]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=600) as response:
            return dict(json.load(response))


@contextmanager
def llama_server(program: Path, model: Path, *, context_length: int, threads: int) -> Iterator[LlamaServer]:
    """Start the server with one slot and the settings that g4run loads with; stop it at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["-m", str(model), "-c", str(context_length), "-t", str(threads), "-fa", "on", "-np", "1"]
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
