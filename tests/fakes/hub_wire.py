"""How the local Hub's answers reach the socket: whole, slow, or damaged as a fault says."""

import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tests.fakes.hub_faults import Fault, FaultKind

_PIECE_BYTES = 8 << 20  # per call of sendfile: few calls, and still counted soon
_SLOW_PIECES_PER_SECOND = 20


@dataclass(frozen=True, slots=True)
class Slice:
    """Bytes `start` to `start + length` of a file."""

    source: Path
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer before it is sent; `sent` is told about every piece of the body."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | Slice = b""

    @property
    def length(self) -> int:
        return len(self.body) if isinstance(self.body, bytes) else self.body.length


class BodySender:
    """Sends one body, with at most `rate` bytes a second, and lets the faults happen."""

    def __init__(self, connection: socket.socket, count: Callable[[int], None], stopping: threading.Event) -> None:
        self._connection = connection
        self._count = count
        self._stopping = stopping

    def send(self, body: bytes | Slice, faults: tuple[Fault, ...], rate: int | None) -> bool:
        """Whether the connection can carry another request."""
        if isinstance(body, bytes):
            self._send_bytes(body)
            return True
        end = _end_of_body(body, faults)
        flip = next((fault.value for fault in faults if fault.kind is FaultKind.FLIP), None)
        with body.source.open("rb") as file:
            position = body.start
            while position < body.start + end:
                most = _PIECE_BYTES if rate is None else max(rate // _SLOW_PIECES_PER_SECOND, 1)
                piece = min(most, body.start + end - position)
                position += self._send_piece(file, position, piece, flip)
                if rate is not None:
                    time.sleep(1 / _SLOW_PIECES_PER_SECOND)
        return self._end(faults)

    def _send_piece(self, file: BinaryIO, position: int, length: int, flip: int | None) -> int:
        if flip is not None and position <= flip < position + length:
            file.seek(position)
            data = bytearray(file.read(length))
            data[flip - position] ^= 1
            return self._send_bytes(bytes(data))
        if not hasattr(os, "sendfile"):
            file.seek(position)
            return self._send_bytes(file.read(length))
        sent = os.sendfile(self._connection.fileno(), file.fileno(), position, length)
        if sent == 0:
            raise ConnectionAbortedError("the file is shorter than it was")
        self._count(sent)
        return sent

    def _send_bytes(self, data: bytes) -> int:
        self._connection.sendall(data)
        self._count(len(data))
        return len(data)

    def _end(self, faults: tuple[Fault, ...]) -> bool:
        kinds = {fault.kind for fault in faults}
        if FaultKind.STALL in kinds:
            self._stopping.wait()
        cutting = {FaultKind.RESET, FaultKind.CLOSE, FaultKind.STALL, FaultKind.SHORT_LENGTH, FaultKind.LONG_LENGTH}
        return not kinds & cutting


def reset(connection: socket.socket) -> None:
    """Ends a connection with a TCP reset; a close that waited for the streams on it would be an orderly one."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    socket.close(connection.detach())


def announced_length(answer: Answer, faults: tuple[Fault, ...]) -> int:
    """The Content-Length, wrong if a fault says so."""
    for fault in faults:
        if fault.kind is FaultKind.SHORT_LENGTH:
            return max(answer.length - fault.value, 0)
        if fault.kind is FaultKind.LONG_LENGTH:
            return answer.length + fault.value
    return answer.length


def _end_of_body(body: Slice, faults: tuple[Fault, ...]) -> int:
    """How many bytes are sent before a fault, or the end, stops it."""
    end = body.length
    for fault in faults:
        if fault.kind in (FaultKind.RESET, FaultKind.CLOSE, FaultKind.STALL):
            end = min(end, fault.value)
        if fault.kind is FaultKind.SHORT_LENGTH:
            end = min(end, max(body.length - fault.value, 0))
    return end
