"""Releases the pages of a mapped model file while its weights are repacked.

A repacked weight is a copy, and llama.cpp keeps the original mapped: a 26B in Q4_0 then appears to take 27 GB. The
original's pages belong to the file, so they can be released while the copies are made; pages that are still needed
come back from the system's file cache, without reading the disk.
"""

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path

_MAPS = Path("/proc/self/maps")
_MADV_DONTNEED = 4  # linux/mman.h
_LEAST_BYTES = 1 << 20  # a model is larger than this


def release_mapped_pages() -> None:
    """Release the pages of every shared read-only mapping, which is how llama.cpp maps models; Linux only."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    for start, length in find_mappings(_MAPS.read_text("utf-8", "replace")):
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), _MADV_DONTNEED)


def find_mappings(maps: str) -> Iterator[tuple[int, int]]:
    """Yield the address and length of each such mapping in the text of /proc/self/maps (proc_pid_maps(5))."""
    for line in maps.splitlines():
        addresses, permissions, _offset, _device, inode, *_ = line.split()
        start, end = (int(address, 16) for address in addresses.split("-"))
        if permissions == "r--s" and inode != "0" and end - start >= _LEAST_BYTES:
            yield start, end - start
