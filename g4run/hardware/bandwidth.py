"""Measure how fast the processors read main memory, which takes half a second, and save the result.

Other programs only lower the result. One from a busy machine is marked, and stays until one from an idle machine
replaces it, so that the advice does not change from run to run.

All threads read, and then copy, buffers far larger than the caches, piece by piece; the faster of the two counts,
because neither can exceed the memory's bandwidth. Reading is memchr for a missing byte, copying is memmove with reads
and writes counted: the C library implements both with vector instructions.
"""

import contextlib
import ctypes
import mmap
import os
import sys
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from g4run.errors import DiskFull, NotWritable
from g4run.files import read_shared, write_atomically
from g4run.hardware.control_groups import read_text
from g4run.hardware.figures import Rate
from g4run.hardware.gpus.gpu_table import find_memory_bandwidth
from g4run.hardware.machine import Bandwidth, FigureSource
from g4run.hardware.memory import Memory
from g4run.hardware.processors import Processors

_MIB: Final = 1 << 20
_MIN_BYTES, _MAX_BYTES = 64 * _MIB, 512 * _MIB  # all buffers; filling 512 MiB takes 0.15 s
_DEFAULT_BYTES: Final = 256 * _MIB
_TIMES_CACHE: Final = 4
_PIECE_BYTES: Final = 2 * _MIB  # takes less than a millisecond, so most pieces are not interrupted
_SECONDS: Final = 0.12  # for reading, and for copying
_PERCENTILE: Final = 0.9  # of the rates, because others only lower them; single pieces may come from the cache
_RETRY_SECONDS: Final = 60.0  # after a measurement on a busy machine
_BUSY_LOAD: Final = 0.3  # load average per processor
_IDLE_SHARE: Final = 0.85  # of the time that the threads run, if nothing else needs their processors
_MAX_THREADS: Final = 16  # more do not raise the bandwidth
_ASSUMED: Final = 20e9  # bytes per second: one channel of DDR4-3200 has 25.6e9

_Pass: TypeAlias = Callable[[int, int], int]
"""Processes a buffer, given its address and size, once; returns the number of bytes transferred."""
_Piece: TypeAlias = tuple[float, float]
"""When the pass over a piece started, and its bytes per second."""


class Measurement(msgspec.Struct, frozen=True):
    """Bytes per second, to three digits; `was_busy` if other programs used the processors."""

    bytes_per_second: Rate
    was_busy: bool


class _Kept(msgspec.Struct, frozen=True):
    """A measurement of one machine, and when the last one was tried, in seconds since 1970."""

    processor: str
    memory_bytes: int
    threads: int
    measured: Measurement
    tried_at: float


Measure: TypeAlias = Callable[[int, int], Measurement | None]


def find_bandwidth(
    path: Path,
    processors: Processors,
    memory: Memory,
    *,
    measure: bool,
    measure_now: Measure | None = None,
    now: Callable[[], float] = time.time,
) -> Bandwidth:
    """Return the saved bandwidth of this machine, or measure and save it; if neither works, assume one.

    One from a busy machine is measured again after a minute, one from an idle machine only if `measure` is set.
    """
    here = (processors.model, memory.total_bytes, processors.threads)
    kept = _read_kept(path)
    if kept is not None and (kept.processor, kept.memory_bytes, kept.threads) != here:
        kept = None
    if kept is not None and not measure and not _is_due(kept, now()):
        return _bandwidth(kept.measured)
    measured = (measure_now or measure_bandwidth)(processors.threads, memory.available_bytes)
    if measured is None and (kept is None or measure):
        nominal = find_memory_bandwidth(processors.model)
        return Bandwidth(nominal, FigureSource.NOMINAL) if nominal else Bandwidth(_ASSUMED, FigureSource.ASSUMED)
    best = _better(None if kept is None else kept.measured, measured)
    _keep(path, _Kept(*here, best, now()))
    return _bandwidth(best)


def _bandwidth(measured: Measurement) -> Bandwidth:
    return Bandwidth(measured.bytes_per_second, FigureSource.MEASURED, measured.was_busy)


def _is_due(kept: _Kept, now: float) -> bool:
    return kept.measured.was_busy and not 0 <= now - kept.tried_at < _RETRY_SECONDS


def _better(before: Measurement | None, new: Measurement | None) -> Measurement:
    """Return the faster of two; but one from a busy machine never replaces another."""
    if before is None or new is None:
        return before or new  # type: ignore[return-value] # one of them is there
    if new.was_busy:
        return before
    return Measurement(max(before.bytes_per_second, new.bytes_per_second), was_busy=False)


def measure_bandwidth(threads: int, available_bytes: int, seconds: float = _SECONDS) -> Measurement | None:
    """Measure the bandwidth; None without enough memory for buffers larger than the caches."""
    threads = max(1, min(threads, _MAX_THREADS))
    size = _buffers_bytes(available_bytes)
    if size < _MIN_BYTES:
        return None
    each = size // threads
    buffers = [mmap.mmap(-1, each) for _ in range(threads)]
    addresses = [ctypes.addressof(ctypes.c_char.from_buffer(buffer)) for buffer in buffers]
    _in_threads([lambda address=address: ctypes.memset(address, 1, each) for address in addresses])  # type: ignore[misc]
    runs = [_run(one_pass, addresses, each, seconds) for one_pass in _passes()]
    is_interrupted = min(share for _, share in runs) < _IDLE_SHARE
    return Measurement(float(f"{max(rate for rate, _ in runs):.3g}"), is_interrupted or _is_loaded())


def _is_loaded() -> bool:
    """Whether other programs used the machine's processors in the last minute; always False on Windows."""
    if sys.platform == "win32":
        return False
    try:
        return os.getloadavg()[0] > _BUSY_LOAD * (os.cpu_count() or 1)
    except OSError:
        return False


def _buffers_bytes(available_bytes: int) -> int:
    cache = read_text(Path("/sys/devices/system/cpu/cpu0/cache/index3/size")) or ""  # such as 32768K
    cache_bytes = int(cache[:-1]) * 1024 if cache[:-1].isdigit() else 0
    wanted = min(max(_TIMES_CACHE * cache_bytes, _DEFAULT_BYTES), _MAX_BYTES)
    return min(wanted, available_bytes // 4)


def _passes() -> list[_Pass]:
    if sys.platform == "win32":  # its memchr reads byte by byte
        return [_copy]
    library = ctypes.CDLL(None)
    library.memchr.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
    library.memchr.restype = ctypes.c_void_p

    def read(address: int, size: int) -> int:
        library.memchr(address, 0, size)  # ctypes.CDLL releases the interpreter lock
        return size

    return [read, _copy]


def _copy(address: int, size: int) -> int:
    half = size // 2
    ctypes.memmove(address, address + half, half)
    return 2 * half


def _run(one_pass: _Pass, addresses: Sequence[int], size: int, seconds: float) -> tuple[float, float]:
    """Return the bytes per second of all threads, and the share of the time that they ran."""
    pieces: list[list[_Piece]] = [[] for _ in addresses]
    used = [0.0] * len(addresses)
    start = time.perf_counter()

    def work(index: int) -> None:
        began, offset, cpu = time.perf_counter(), 0, time.thread_time()
        while began - start < seconds:
            done = one_pass(addresses[index] + offset, min(_PIECE_BYTES, size - offset))
            ended = time.perf_counter()
            pieces[index].append((began, done / (ended - began)))
            began, offset = ended, (offset + _PIECE_BYTES) % (size // _PIECE_BYTES * _PIECE_BYTES)
        used[index] = time.thread_time() - cpu

    _in_threads([lambda index=index: work(index) for index in range(len(addresses))])  # type: ignore[misc]
    return _total_rate(pieces), sum(used) / len(used) / (time.perf_counter() - start)


def _total_rate(pieces: Sequence[Sequence[_Piece]]) -> float:
    """Add up the threads' rates at each moment, and return a high one: a thread that was interrupted lowers some."""
    starts = [[began for began, _ in of_thread] for of_thread in pieces]
    totals = sorted(
        sum(of_thread[bisect_right(began, moment) - 1][1] for of_thread, began in zip(pieces, starts, strict=True))
        for moment in starts[0]
        if all(began and began[0] <= moment for began in starts)
    )
    return totals[int(len(totals) * _PERCENTILE)] if totals else sum(rate for one in pieces for _, rate in one[:1])


def _in_threads(actions: list[Callable[[], object]]) -> None:
    threads = [threading.Thread(target=action) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _read_kept(path: Path) -> _Kept | None:
    """Read the file; None if it cannot be read."""
    try:
        return msgspec.json.decode(read_shared(path), type=_Kept)
    except (OSError, msgspec.DecodeError, RecursionError):
        return None


def _keep(path: Path, kept: _Kept) -> None:
    """Save the result; if that fails, the next command measures again."""
    with contextlib.suppress(DiskFull, NotWritable):
        write_atomically(path, msgspec.json.encode(kept) + b"\n")
