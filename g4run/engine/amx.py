"""Keeps llama.cpp from its AMX kernels where they crash.

On x86 processors with AMX, GCC up to at least 12 drops most of the tile configuration that ggml writes (the intrinsic
reads 64 bytes and declares 8), so the first prompt of more than one token ends the process with SIGSEGV
(llama.cpp#20824; open as of the vendored commit). Whether a build is hit cannot be read off it, so it is tried: one
small matrix product in a forked child. If that fails, AMX is taken off ggml's list of weight layouts, and the next one
in the list is used (AVX-512 repacking), as a build without AMX would.
"""

import ctypes
import os
import signal
import sys

import numpy as np
import numpy.typing as npt
from llama_cpp import _ggml

_ROWS, _COLUMNS, _INPUTS = 64, 64, 16  # weights [64, 64] times inputs [64, 16]: enough for the tile kernels
_BLOCK = 32  # ggml-common.h: block_q8_0 is a half-precision scale and 32 signed bytes
_TYPE_F32, _TYPE_Q8_0, _DEVICE_CPU = 0, 8, 0  # ggml.h, ggml-backend.h
_CONTEXT_BYTES = 1 << 20
_TRIAL_SECONDS = 10  # the trial takes 0.05


class _InitParameters(ctypes.Structure):
    """struct ggml_init_params of ggml.h."""

    _fields_ = (("mem_size", ctypes.c_size_t), ("mem_buffer", ctypes.c_void_p), ("no_alloc", ctypes.c_bool))


def avoid_broken_amx() -> bool:
    """Try AMX, if this build has it, and switch it off if that fails; True if it was. Call before any thread starts.

    Only Linux is tried: it is where GCC builds, and where a process can be forked to crash in its place.
    """
    if sys.platform != "linux":
        return False
    layouts = _weight_layouts()
    amx = next((index for index, (_, name) in enumerate(layouts) if name == "AMX"), None)
    if amx is None or _survives(layouts[amx][0]):
        return False
    _remove_layout(amx, len(layouts))
    return True


def _function(name: str, result: object, *arguments: object) -> "ctypes._NamedFuncPointer":
    function = getattr(_ggml.libggml, name)
    function.restype, function.argtypes = result, arguments
    return function  # type: ignore[no-any-return] # llama_cpp is not typed


def _cpu_device() -> int:
    return int(_function("ggml_backend_dev_by_type", ctypes.c_void_p, ctypes.c_int)(_DEVICE_CPU))


def _layout_array() -> "ctypes._Pointer[ctypes.c_void_p] | None":
    """ggml's own null-terminated array of extra buffer types for weights on the CPU; writable. None if it has none."""
    device = _cpu_device()
    registry = _function("ggml_backend_dev_backend_reg", ctypes.c_void_p, ctypes.c_void_p)(device)
    find = _function("ggml_backend_reg_get_proc_address", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)
    address = find(registry, b"ggml_backend_dev_get_extra_bufts")
    if not address:
        return None
    prototype = ctypes.CFUNCTYPE(ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p)
    return prototype(address)(device)  # type: ignore[no-any-return] # ctypes does not know the prototype's result


def _weight_layouts() -> list[tuple[int, str]]:
    name_of = _function("ggml_backend_buft_name", ctypes.c_char_p, ctypes.c_void_p)
    array = _layout_array()
    layouts: list[tuple[int, str]] = []
    while array and (layout := array[len(layouts)]) is not None:
        layouts.append((int(layout), name_of(layout).decode()))
    return layouts


def _remove_layout(index: int, count: int) -> None:
    array = _layout_array()
    assert array is not None
    for position in range(index, count):  # the last one moved is the terminating null
        array[position] = array[position + 1]


def _survives(layout: int) -> bool:
    child = os.fork()
    if child == 0:
        signal.alarm(_TRIAL_SECONDS)  # a child that hangs has failed too
        os._exit(0 if _computes_rightly(layout) else 1)
    return os.waitpid(child, 0)[1] == 0


def _computes_rightly(layout: int) -> bool:
    """Whether weights in this layout give the product that numpy gives."""
    random = np.random.default_rng(1)
    weights = random.integers(-127, 128, (_ROWS, _COLUMNS)).astype(np.int8)
    inputs = random.standard_normal((_INPUTS, _COLUMNS)).astype(np.float32)
    expected = inputs @ weights.T.astype(np.float32)
    error = np.abs(_multiply(layout, weights, inputs) - expected).max()
    return bool(error < 0.02 * np.abs(expected).max())


def _multiply(layout: int, weights: npt.NDArray[np.int8], inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Product [inputs, rows] as ggml computes it with the weights, in Q8_0 with scale 1, in the given layout."""
    new_context = _function("ggml_init", ctypes.c_void_p, _InitParameters)
    new_tensor = _function(
        "ggml_new_tensor_2d", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64, ctypes.c_int64
    )
    multiply = _function("ggml_mul_mat", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
    allocate = _function("ggml_backend_alloc_ctx_tensors_from_buft", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
    plain_layout = _function("ggml_backend_cpu_buffer_type", ctypes.c_void_p)()
    memory = _InitParameters(_CONTEXT_BYTES, None, True)

    weight_context, compute_context = new_context(memory), new_context(memory)
    weight_tensor = new_tensor(weight_context, _TYPE_Q8_0, _COLUMNS, _ROWS)
    allocate(weight_context, layout)
    input_tensor = new_tensor(compute_context, _TYPE_F32, _COLUMNS, _INPUTS)
    product = multiply(compute_context, weight_tensor, input_tensor)
    graph = _build_graph(compute_context, product)
    allocate(compute_context, plain_layout)
    _write(weight_tensor, _as_q8_0(weights))
    _write(input_tensor, inputs.tobytes())
    _compute(graph)
    return np.frombuffer(_read(product, _INPUTS * _ROWS * 4), np.float32).reshape(_INPUTS, _ROWS)


def _as_q8_0(weights: npt.NDArray[np.int8]) -> bytes:
    blocks = weights.reshape(-1, _BLOCK)
    scale = np.ones((len(blocks), 1), np.float16).view(np.int8).reshape(-1, 2)
    return np.hstack([scale, blocks]).tobytes()


def _build_graph(context: int, result: int) -> int:
    graph = _function("ggml_new_graph", ctypes.c_void_p, ctypes.c_void_p)(context)
    _function("ggml_build_forward_expand", None, ctypes.c_void_p, ctypes.c_void_p)(graph, result)
    return int(graph)


def _compute(graph: int) -> None:
    backend = _function("ggml_backend_dev_init", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(_cpu_device(), None)
    _function("ggml_backend_graph_compute", ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(backend, graph)


def _write(tensor: int, data: bytes) -> None:
    write = _function(
        "ggml_backend_tensor_set", None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_size_t
    )
    write(tensor, data, 0, len(data))


def _read(tensor: int, size_bytes: int) -> bytes:
    buffer = ctypes.create_string_buffer(size_bytes)
    read = _function(
        "ggml_backend_tensor_get", None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_size_t
    )
    read(tensor, buffer, 0, size_bytes)
    return buffer.raw
