"""Servers of ggml's RPC backend, without one in the installed library."""

import socket

from g4run.engine.llama import rpc
from g4run.engine.llama.devices import inspect_engine
from g4run.engine.llama.ggml import load_library

CLOSED = "127.0.0.1:1"


def test_only_servers_that_accept_connections_are_reachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = f"127.0.0.1:{listening.getsockname()[1]}"
        assert rpc.find_reachable([CLOSED, server, "no host at all:80"]) == [server]


def test_a_server_that_does_not_answer_leaves_the_report_as_it_is() -> None:
    assert inspect_engine(rpc_servers=[CLOSED]) == inspect_engine()


def test_a_build_without_rpc_has_no_servers_to_add() -> None:
    rpc.add_servers(load_library(), [CLOSED])  # with RPC, it would end the process
