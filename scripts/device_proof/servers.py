"""RPC servers of the build that is tested, each with the CPU as its device."""

import os
import resource
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

START_SECONDS = 30.0


class Server:
    """One server, which can be killed and started again at its port."""

    def __init__(self, memory_bytes: int | None = None) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = int(free.getsockname()[1])
        self._memory_bytes = memory_bytes
        self.start()

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        program = Path(os.environ["LLAMA_CPP_LIB_PATH"]) / "ggml-rpc-server"
        self._process = subprocess.Popen(
            [program, "-H", "127.0.0.1", "-p", str(self._port), "-d", "CPU"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=self._limit,  # this process has no other thread
        )
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self._port), 1).close()
                return
            time.sleep(0.05)
        raise TimeoutError(f"{program} does not answer")

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def _limit(self) -> None:
        if self._memory_bytes is not None:
            resource.setrlimit(resource.RLIMIT_AS, (self._memory_bytes, self._memory_bytes))


@contextmanager
def servers(count: int) -> Iterator[tuple[str, ...]]:
    """Start servers and return their addresses."""
    with ExitStack() as stack:
        started = [Server() for _ in range(count)]
        for server in started:
            stack.callback(server.kill)
        yield tuple(server.address for server in started)
