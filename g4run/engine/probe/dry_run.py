"""The process that `probe` starts: loads a model without memory and reports what it would take.

The parameters come in on stdin, the figures go out on stdout, both as JSON; llama.cpp's log goes to stderr.

The figures are llama_get_memory_breakdown's (src/llama-ext.h), which is C++: it has a mangled name and returns a
std::map by value. It can be called where that is a hidden first argument and the map is libstdc++'s, which is Linux on
x86-64; elsewhere they are read from the log, which rounds.
"""

import ctypes
import platform
import re
import sys
from collections.abc import Iterator

import llama_cpp.llama_cpp as C  # noqa: N812 - as in llama.py
import msgspec

from g4run.engine.llama import api as llama
from g4run.engine.llama.ggml import bind
from g4run.engine.log import failure_reason
from g4run.engine.parameters import LoadParameters
from g4run.engine.probe.probe import DeviceMemory, Probed, ProbedMemory, ProbeFailure
from g4run.engine.standard_streams import take_standard_streams

_BREAKDOWN = "_Z26llama_get_memory_breakdownPK13llama_context"
_MIB = 1 << 20
# Lines of llama-context.cpp:381 and 740, and of llama-kv-cache.cpp:301, which print real numbers under no_alloc.
_OUTPUT = re.compile(r" (\S+) +output buffer size = +([0-9.]+) MiB")
_COMPUTE = re.compile(r" (\S+) compute buffer size = +([0-9.]+) MiB")
_CACHE = re.compile(r": size = +([0-9.]+) MiB \( *[0-9]+ cells")


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


class _Log:
    """llama.cpp's log since the last `take`; it also goes to stderr, where an assertion's reason is looked for."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._callback = C.llama_log_callback(self._keep)
        C.llama_log_set(self._callback, ctypes.c_void_p(0))

    def _keep(self, _level: int, text: bytes, _data: object) -> None:
        decoded = text.decode("utf-8", "replace")
        self._parts.append(decoded)
        sys.stderr.write(decoded)

    def take(self) -> str:
        """Return the text and forget it."""
        text = "".join(self._parts)
        self._parts.clear()
        return text


def _sizes(pattern: re.Pattern[str], log: str) -> dict[str, int]:
    """Return bytes by buffer type; a line that is repeated, because the graph was reserved anew, counts once."""
    return {name: round(float(size) * _MIB) for name, size in pattern.findall(log)}


def _probe(parameters: LoadParameters, log: _Log) -> ProbedMemory:
    model = llama.Model(parameters, lambda _fraction: None, allocates=False)
    log.take()
    context = llama.Context(model, parameters)
    return _figures(log.take(), _read_breakdown(context.handle))


def _figures(log: str, breakdown: dict[str, DeviceMemory] | None) -> ProbedMemory:
    """Return the library's own sums if it can be asked, with the log's size of what it leaves out: the logits."""
    outputs, computes = _sizes(_OUTPUT, log), _sizes(_COMPUTE, log)
    if breakdown is None:
        names = dict.fromkeys([*computes, *outputs])
        devices = [DeviceMemory(name, None, None, computes.get(name, 0), outputs.get(name, 0)) for name in names]
        kv_bytes = sum(round(float(size) * _MIB) for size in _CACHE.findall(log))
        return ProbedMemory(tuple(devices), kv_bytes, is_exact=False)
    parts = {name: DeviceMemory(name, 0, 0, 0, 0) for name in outputs} | breakdown
    devices = [msgspec.structs.replace(part, output_bytes=outputs.get(name, 0)) for name, part in parts.items()]
    return ProbedMemory(tuple(devices), sum(part.kv_bytes or 0 for part in devices), is_exact=True)


def _read_breakdown(context: object) -> dict[str, DeviceMemory] | None:
    """Return the sums of a llama_context_p by buffer type, without outputs; None if this build cannot be asked."""
    if sys.platform != "linux" or platform.machine() != "x86_64" or not hasattr(C._lib, _BREAKDOWN):
        return None
    ask = getattr(C._lib, _BREAKDOWN)
    ask.restype, ask.argtypes = ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_void_p)
    answer = _Map()
    ask(ctypes.addressof(answer), ctypes.cast(context, ctypes.c_void_p))  # type: ignore[arg-type] # not typed there
    parts = sorted(_walk(answer.root), key=_device_order)
    found = {part.name: part for _, part in parts}
    return found if len(found) == answer.count else None


def _walk(address: int | None) -> Iterator[tuple[int, DeviceMemory]]:
    """Yield the buffer types and their memory, in the order of their addresses."""
    if address is not None:
        node = _Node.from_address(address)
        yield from _walk(node.left)
        name_of = bind(C._lib, "ggml_backend_buft_name", ctypes.c_char_p, ctypes.c_void_p)
        name = str(name_of(node.buffer_type).decode("utf-8", "replace"))
        yield node.buffer_type, DeviceMemory(name, node.model, node.context, node.compute, 0)
        yield from _walk(node.right)


def _device_order(part: tuple[int, DeviceMemory]) -> tuple[bool, int]:
    """Return where llama.cpp has the device of a buffer type: RPC servers first (src/llama.cpp:255-275)."""
    count = bind(C._lib, "ggml_backend_dev_count", ctypes.c_size_t)()
    device_at = bind(C._lib, "ggml_backend_dev_get", ctypes.c_void_p, ctypes.c_size_t)
    devices = [device_at(index) for index in range(count)]
    device = bind(C._lib, "ggml_backend_buft_get_device", ctypes.c_void_p, ctypes.c_void_p)(part[0])
    return not part[1].name.startswith("RPC"), devices.index(device) if device in devices else len(devices)


def main() -> None:
    """Answer the dry run on stdin."""
    requests, output = take_standard_streams()
    parameters = msgspec.json.decode(requests.read(), type=LoadParameters)
    log = _Log()
    llama.initialize_backend()
    found: Probed
    try:
        found = _probe(parameters, log)
    except llama.LlamaError as error:
        found = ProbeFailure(failure_reason(log.take()) or str(error))
    with output:
        output.write(msgspec.json.encode((found,)) + b"\n")
