"""llama.cpp's own sum of a context's memory, to the byte, by buffer type.

llama_get_memory_breakdown (src/llama-ext.h) is C++: it has a mangled name and returns a std::map by value. It can be
called where that is a hidden first argument and the map is libstdc++'s, which is Linux on x86-64; elsewhere the log
must do, which rounds.
"""

import ctypes
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import llama_cpp.llama_cpp as C  # noqa: N812 - as in llama.py
from llama_cpp import _ggml

_SYMBOL = "_Z26llama_get_memory_breakdownPK13llama_context"


@dataclass(frozen=True, slots=True)
class BufferTypeMemory:
    """What one buffer type would hold, in bytes; the context's part is its key-value cache."""

    name: str
    model_bytes: int
    context_bytes: int
    compute_bytes: int


class _Map(ctypes.Structure):
    """std::map of libstdc++ (bits/stl_tree.h): the header's parent is the root."""

    _fields_ = (
        ("compare", ctypes.c_size_t),
        ("color", ctypes.c_size_t),
        ("root", ctypes.c_void_p),
        ("leftmost", ctypes.c_void_p),
        ("rightmost", ctypes.c_void_p),
        ("count", ctypes.c_size_t),
    )


class _Node(ctypes.Structure):
    """A node of it, with the key (ggml_backend_buffer_type_t) and llama_memory_breakdown_data."""

    _fields_ = (
        ("color", ctypes.c_size_t),
        ("parent", ctypes.c_void_p),
        ("left", ctypes.c_void_p),
        ("right", ctypes.c_void_p),
        ("buffer_type", ctypes.c_void_p),
        ("model", ctypes.c_size_t),
        ("context", ctypes.c_size_t),
        ("compute", ctypes.c_size_t),
    )


def read_breakdown(context: object) -> tuple[BufferTypeMemory, ...] | None:
    """The sums of a context, a llama_context_p; None where this build cannot be asked."""
    if sys.platform != "linux" or platform.machine() != "x86_64" or not hasattr(C._lib, _SYMBOL):
        return None
    ask = getattr(C._lib, _SYMBOL)
    ask.restype, ask.argtypes = ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_void_p)
    answer = _Map()
    ask(ctypes.addressof(answer), ctypes.cast(context, ctypes.c_void_p))  # type: ignore[arg-type] # not typed there
    parts = tuple(_walk(answer.root))
    return parts if len(parts) == answer.count else None


def _walk(address: int | None) -> Iterator[BufferTypeMemory]:
    if address is None:
        return
    node = _Node.from_address(address)
    yield from _walk(node.left)
    yield BufferTypeMemory(_name_of(node.buffer_type), node.model, node.context, node.compute)
    yield from _walk(node.right)


def _name_of(buffer_type: int) -> str:
    name = _ggml.libggml.ggml_backend_buft_name
    name.restype, name.argtypes = ctypes.c_char_p, (ctypes.c_void_p,)
    return str(name(buffer_type).decode("utf-8", "replace"))
