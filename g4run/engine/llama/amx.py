"""Keeps llama.cpp from its AMX kernels where they crash.

On x86 processors with AMX, GCC up to at least 12 drops most of the tile configuration that ggml writes (the intrinsic
reads 64 bytes and declares 8), so the first prompt of more than one token ends the process with SIGSEGV
(llama.cpp#20824; open as of the vendored commit). Whether a build is hit cannot be read off it, so it is tried: one
small matrix product in a forked child. If that fails, AMX is taken off ggml's list of weight layouts, and the next one
in the list is used (AVX-512 repacking), as a build without AMX would.

Whoever only asks what this machine has tries it as well, without the bindings and without numpy (devices.py).
"""

import ctypes
import os
import random
import signal
import struct
import sys
from array import array
from collections.abc import Sequence

_ROWS, _COLUMNS, _INPUTS = 64, 64, 16  # weights [64, 64] times inputs [64, 16]: enough for the tile kernels
_BLOCK = 32  # ggml-common.h: block_q8_0 is a half-precision scale and 32 signed bytes
_TYPE_F32, _TYPE_Q8_0, _DEVICE_CPU = 0, 8, 0  # ggml.h, ggml-backend.h
_CONTEXT_BYTES = 1 << 20
_TRIAL_SECONDS = 3  # the trial takes 0.05

AMX = "AMX"  # the layout's name (ggml-cpu/amx/amx.cpp)


class _InitParameters(ctypes.Structure):
    """struct ggml_init_params of ggml.h."""

    _fields_ = (("mem_size", ctypes.c_size_t), ("mem_buffer", ctypes.c_void_p), ("no_alloc", ctypes.c_bool))


def avoid_broken_amx(library: ctypes.CDLL | None = None) -> bool:
    """Try AMX, if this build has it, and switch it off if that fails; True if it was. Call before any thread starts.

    `library` is ggml's; None takes that of the bindings. Only Linux is tried: it is where GCC builds, and where a
    process can be forked to crash in its place.
    """
    if sys.platform != "linux":
        return False
    ggml = Ggml(library)
    names = ggml.layout_names()
    if AMX not in names or ggml.survives(ggml.layout(names.index(AMX))):
        return False
    ggml.remove_layout(names.index(AMX))
    return True


class Ggml:
    """The few of ggml's functions that a trial needs; None takes the library that the bindings have loaded."""

    def __init__(self, library: ctypes.CDLL | None = None) -> None:
        if library is None:
            from llama_cpp import _ggml  # noqa: PLC0415 - who brings a library needs no bindings

            library = _ggml.libggml
        self._library = library

    def function(self, name: str, result: object, *arguments: object) -> "ctypes._NamedFuncPointer":
        """One of its functions, typed."""
        function = self._library[name]  # anew at each time, so that no other user's types are changed
        function.restype, function.argtypes = result, arguments
        return function

    def layout_names(self) -> tuple[str, ...]:
        """The orders in which the CPU may keep weights, as ggml prefers them; the plain one is not among them."""
        name_of = self.function("ggml_backend_buft_name", ctypes.c_char_p, ctypes.c_void_p)
        array = self._layout_array()
        names: list[str] = []
        while array and array[len(names)] is not None:
            names.append(name_of(array[len(names)]).decode())
        return tuple(names)

    def layout(self, index: int) -> int:
        """One of them, a ggml_backend_buffer_type_t."""
        array = self._layout_array()
        assert array is not None
        return int(array[index] or 0)

    def remove_layout(self, index: int) -> None:
        """Take one off the list."""
        array, count = self._layout_array(), len(self.layout_names())
        assert array is not None
        for position in range(index, count):  # the last one moved is the terminating null
            array[position] = array[position + 1]

    def survives(self, layout: int) -> bool:
        """Whether a child of this process multiplies rightly with weights in a layout."""
        child = os.fork()
        if child == 0:
            signal.alarm(_TRIAL_SECONDS)  # a child that hangs has failed too
            os._exit(0 if self.computes_rightly(layout) else 1)
        return os.waitpid(child, 0)[1] == 0

    def computes_rightly(self, layout: int) -> bool:
        """Whether weights in this layout give the product that Python gives."""
        numbers = random.Random(1)
        weights = [[numbers.randrange(-127, 128) for _ in range(_COLUMNS)] for _ in range(_ROWS)]
        inputs = [[numbers.gauss(0, 1) for _ in range(_COLUMNS)] for _ in range(_INPUTS)]
        expected = [sum(map(float.__mul__, one, map(float, row))) for one in inputs for row in weights]
        found = self.multiply(layout, weights, inputs)
        error = max(abs(ours - theirs) for ours, theirs in zip(expected, found, strict=True))
        return error < 0.02 * max(map(abs, expected))

    def multiply(
        self, layout: int, weights: Sequence[Sequence[int]], inputs: Sequence[Sequence[float]]
    ) -> Sequence[float]:
        """Product [inputs, rows] as ggml computes it with the weights, in Q8_0 with scale 1, in the given layout."""
        new_context = self.function("ggml_init", ctypes.c_void_p, _InitParameters)
        shape = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
        new_tensor = self.function("ggml_new_tensor_2d", ctypes.c_void_p, ctypes.c_void_p, *shape)
        multiply = self.function("ggml_mul_mat", ctypes.c_void_p, *[ctypes.c_void_p] * 3)
        allocate = self.function("ggml_backend_alloc_ctx_tensors_from_buft", *[ctypes.c_void_p] * 3)
        memory = _InitParameters(_CONTEXT_BYTES, None, True)

        weight_context, compute_context = new_context(memory), new_context(memory)
        weight_tensor = new_tensor(weight_context, _TYPE_Q8_0, _COLUMNS, _ROWS)
        allocate(weight_context, layout)
        input_tensor = new_tensor(compute_context, _TYPE_F32, _COLUMNS, _INPUTS)
        product = multiply(compute_context, weight_tensor, input_tensor)
        graph = self._build_graph(compute_context, product)
        allocate(compute_context, self.plain_layout())
        self._write(weight_tensor, b"".join(map(_as_q8_0, weights)))
        self._write(input_tensor, array("f", [value for row in inputs for value in row]).tobytes())
        self._compute(graph)
        return array("f", self._read(product, _INPUTS * _ROWS * 4))

    def plain_layout(self) -> int:
        """The order of the file."""
        return int(self.function("ggml_backend_cpu_buffer_type", ctypes.c_void_p)())

    def _layout_array(self) -> "ctypes._Pointer[ctypes.c_void_p] | None":
        """ggml's own null-terminated array of extra buffer types for weights on the CPU; writable. None without one."""
        device = self._cpu_device()
        if not device:
            return None
        registry = self.function("ggml_backend_dev_backend_reg", ctypes.c_void_p, ctypes.c_void_p)(device)
        find = self.function("ggml_backend_reg_get_proc_address", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)
        address = find(registry, b"ggml_backend_dev_get_extra_bufts")
        if not address:
            return None
        prototype = ctypes.CFUNCTYPE(ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p)
        return prototype(address)(device)  # type: ignore[no-any-return] # ctypes does not know the prototype's result

    def _cpu_device(self) -> int:
        """0 where the backend for the CPU is not there."""
        return int(self.function("ggml_backend_dev_by_type", ctypes.c_void_p, ctypes.c_int)(_DEVICE_CPU) or 0)

    def _build_graph(self, context: int, result: int) -> int:
        graph = self.function("ggml_new_graph", ctypes.c_void_p, ctypes.c_void_p)(context)
        self.function("ggml_build_forward_expand", None, ctypes.c_void_p, ctypes.c_void_p)(graph, result)
        return int(graph)

    def _compute(self, graph: int) -> None:
        initialize = self.function("ggml_backend_dev_init", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)
        backend = initialize(self._cpu_device(), None)
        self.function("ggml_backend_graph_compute", ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(backend, graph)

    def _write(self, tensor: int, data: bytes) -> None:
        sizes = (ctypes.c_size_t, ctypes.c_size_t)
        write = self.function("ggml_backend_tensor_set", None, ctypes.c_void_p, ctypes.c_char_p, *sizes)
        write(tensor, data, 0, len(data))

    def _read(self, tensor: int, size_bytes: int) -> bytes:
        buffer = ctypes.create_string_buffer(size_bytes)
        sizes = (ctypes.c_size_t, ctypes.c_size_t)
        read = self.function("ggml_backend_tensor_get", None, ctypes.c_void_p, ctypes.c_char_p, *sizes)
        read(tensor, buffer, 0, size_bytes)
        return buffer.raw


def _as_q8_0(row: Sequence[int]) -> bytes:
    blocks = (row[start : start + _BLOCK] for start in range(0, len(row), _BLOCK))
    return b"".join(struct.pack(f"<e{_BLOCK}b", 1.0, *block) for block in blocks)
