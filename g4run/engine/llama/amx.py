"""Turns off llama.cpp's AMX kernels where they crash.

On x86 processors with AMX, GCC up to at least 12 drops most of the tile configuration that ggml writes (the intrinsic
reads 64 bytes and declares 8), so the first prompt of more than one token crashes the process with SIGSEGV
(llama.cpp#20824; open as of the vendored commit). A build does not show whether it is affected, so the device query
decodes a prompt with AMX (amx_trial.py). If that fails, the engine removes AMX from ggml's list of buffer types, and
ggml uses the next one in the list (AVX-512 repacking), like a build without AMX.
"""

import ctypes
import itertools
from collections.abc import Iterator

from g4run.engine.llama.ggml import bind

_AMX = b"AMX"  # the buffer type's name (ggml-cpu/amx/amx.cpp)
_DEVICE_CPU = 0  # ggml-backend.h


def is_listed(library: ctypes.CDLL) -> bool:
    """Return whether ggml would use AMX: both the build and the processor support it."""
    return _AMX in buffer_type_names(library)


def switch_off(library: ctypes.CDLL, name: bytes = _AMX) -> bool:
    """Remove AMX from ggml's list; False if it is not there. Call it before loading a model."""
    names = list(buffer_type_names(library))
    if name not in names:
        return False
    array = _buffer_types(library)
    for position in range(names.index(name), len(names)):  # moves the terminating null last
        array[position] = array[position + 1]
    return True


def buffer_type_names(library: ctypes.CDLL) -> Iterator[bytes]:
    """Yield the buffer types that reorder weights for the CPU, in ggml's order of preference."""
    name_of = bind(library, "ggml_backend_buft_name", ctypes.c_char_p, ctypes.c_void_p)
    array = _buffer_types(library)
    for index in itertools.takewhile(lambda index: array[index], itertools.count()):
        yield name_of(array[index])


def _buffer_types(library: ctypes.CDLL) -> "ctypes._Pointer[ctypes.c_void_p] | ctypes.Array[ctypes.c_void_p]":
    """Return ggml's null-terminated array of them (ggml-cpu.cpp: ggml_backend_cpu_device_get_extra_buffers_type)."""
    device = bind(library, "ggml_backend_dev_by_type", ctypes.c_void_p, ctypes.c_int)(_DEVICE_CPU)
    if not device:  # a build with dynamically loaded backends, none of them loaded
        return (ctypes.c_void_p * 1)()
    registry = bind(library, "ggml_backend_dev_backend_reg", ctypes.c_void_p, ctypes.c_void_p)(device)
    find = bind(library, "ggml_backend_reg_get_proc_address", *[ctypes.c_void_p] * 2, ctypes.c_char_p)
    prototype = ctypes.CFUNCTYPE(ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p)
    return prototype(find(registry, b"ggml_backend_dev_get_extra_bufts"))(device)  # type: ignore[no-any-return]
