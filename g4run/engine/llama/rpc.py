"""Adds the devices of RPC servers to ggml's list.

ggml's client aborts the process if a server does not answer, so `find_reachable` tries each one first.
"""

import ctypes
from collections.abc import Sequence

from g4run.engine.llama.ggml import bind

CONNECT_SECONDS = 2.0


def add_servers(library: ctypes.CDLL, servers: Sequence[str]) -> None:
    """Register each server's devices, in order; call it before anything reads ggml's device list."""
    registry = bind(library, "ggml_backend_reg_by_name", ctypes.c_void_p, ctypes.c_char_p)(b"RPC")
    if registry is None:  # a build without RPC
        return
    find = bind(library, "ggml_backend_reg_get_proc_address", *[ctypes.c_void_p] * 2, ctypes.c_char_p)
    add = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_char_p)(find(registry, b"ggml_backend_rpc_add_server"))
    register = bind(library, "ggml_backend_register", None, ctypes.c_void_p)
    for server in servers:
        register(add(server.encode()))


def find_reachable(servers: Sequence[str]) -> Sequence[str]:
    """Return the servers that accept a connection."""
    return [server for server in servers if _accepts(server)]


def _accepts(server: str) -> bool:
    import socket  # noqa: PLC0415 - the device query, which every plan waits for, rarely needs it

    host, _, port = server.rpartition(":")
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except OSError:
        return False
    return True
