"""What of a mapped model file stays in this process's memory.

A repacked weight is a copy, and llama.cpp leaves the original mapped beside it: 26B in Q4_0 then seems to take 27 GB.
The original's pages are only the file's, so they can be let go while the copies are made; what is still read from the
map comes back from the system's file cache, without the disk.
"""

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path

_MAPS = Path("/proc/self/maps")
_MADV_DONTNEED = 4  # linux/mman.h
_LEAST_BYTES = 1 << 20  # smaller shared mappings are not a model's


def release_mapped_pages() -> None:
    """Let go of the pages of every file that is mapped shared and for reading, as llama.cpp maps models; Linux only."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    for start, length in find_mappings(_MAPS.read_text("utf-8", "replace")):
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), _MADV_DONTNEED)


def find_mappings(maps: str) -> Iterator[tuple[int, int]]:
    """Address and length of each such mapping in the text of /proc/self/maps (proc_pid_maps(5))."""
    for line in maps.splitlines():
        addresses, permissions, _offset, _device, inode, *_ = line.split()
        start, end = (int(address, 16) for address in addresses.split("-"))
        if permissions == "r--s" and inode != "0" and end - start >= _LEAST_BYTES:
            yield start, end - start
