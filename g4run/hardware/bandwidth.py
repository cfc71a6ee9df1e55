"""Measure how fast the processors read main memory, which takes half a second, and save the result.

Other programs only lower the result, so the best of several short runs counts; a result from a busy machine is measured
again by the next commands, and the best is saved.

All threads read, and then copy, buffers far larger than the caches; the faster of the two counts, because neither can
exceed the memory's bandwidth. Reading is memchr for a missing byte, copying is memmove with reads and writes counted:
the C library implements both with vector instructions.
"""

import contextlib
import ctypes
import mmap
import os
import sys
import threading
import time
from collections.abc import Callable
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
_SECONDS: Final = 0.12  # for reading, and for copying
_RUNS: Final = 4  # of each in that time
_MAX_MEASUREMENTS: Final = 5  # on a machine that is never idle
_BUSY_SHARE: Final = 0.3  # load average per thread
_MAX_THREADS: Final = 16  # more do not raise the bandwidth
_ASSUMED: Final = 20e9  # bytes per second: one channel of DDR4-3200 has 25.6e9

_Pass: TypeAlias = Callable[[int, int], int]
"""Processes a buffer, given its address and size, once; returns the number of bytes transferred."""


class _Kept(msgspec.Struct, frozen=True):
    """The fastest of several measurements of one machine; `was_busy` if other programs worked during the last."""

    processor: str
    memory_bytes: int
    threads: int
    bytes_per_second: Rate
    measurements: int
    was_busy: bool


def find_bandwidth(path: Path, processors: Processors, memory: Memory, *, measure: bool) -> Bandwidth:
    """Return the saved bandwidth of this machine, or measure and save it; if neither works, assume one."""
    here = (processors.model, memory.total_bytes, processors.threads)
    kept = None if measure else _read_kept(path)
    if kept is not None and (kept.processor, kept.memory_bytes, kept.threads) != here:
        kept = None
    if kept is not None and (not kept.was_busy or kept.measurements >= _MAX_MEASUREMENTS):
        return Bandwidth(kept.bytes_per_second, FigureSource.MEASURED)
    is_busy = _is_busy(processors.threads)
    measured = measure_bandwidth(processors.threads, memory.available_bytes)
    if measured is None and kept is None:
        nominal = find_memory_bandwidth(processors.model)
        return Bandwidth(nominal, FigureSource.NOMINAL) if nominal else Bandwidth(_ASSUMED, FigureSource.ASSUMED)
    count, before = (0, 0.0) if kept is None else (kept.measurements, kept.bytes_per_second)
    best = max(measured or 0.0, before)
    _keep(path, _Kept(*here, best, count + 1, is_busy))
    return Bandwidth(best, FigureSource.MEASURED)


def _is_busy(threads: int) -> bool:
    """Whether other programs used the processors in the last minute; always False on Windows."""
    if sys.platform == "win32":
        return False
    try:
        return os.getloadavg()[0] > _BUSY_SHARE * threads
    except OSError:
        return False


def measure_bandwidth(threads: int, available_bytes: int, seconds: float = _SECONDS) -> float | None:
    """Measure bytes per second, to three digits; None without enough memory for buffers larger than the caches."""
    threads = max(1, min(threads, _MAX_THREADS))
    size = _buffers_bytes(available_bytes)
    if size < _MIN_BYTES:
        return None
    buffers = [mmap.mmap(-1, size // threads) for _ in range(threads)]
    addresses = [ctypes.addressof(ctypes.c_char.from_buffer(buffer)) for buffer in buffers]
    each = size // threads
    _in_threads([lambda address=address: ctypes.memset(address, 1, each) for address in addresses])  # type: ignore[misc]
    runs = [one_pass for one_pass in _passes() for _ in range(_RUNS)]
    rate = max(_rate(one_pass, addresses, each, seconds / _RUNS) for one_pass in runs)
    return float(f"{rate:.3g}")


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


def _rate(one_pass: _Pass, addresses: list[int], size: int, seconds: float) -> float:
    done = [0] * len(addresses)
    start = time.perf_counter()

    def work(index: int) -> None:
        while time.perf_counter() - start < seconds:
            done[index] += one_pass(addresses[index], size)

    _in_threads([lambda index=index: work(index) for index in range(len(addresses))])  # type: ignore[misc]
    return sum(done) / (time.perf_counter() - start)


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
