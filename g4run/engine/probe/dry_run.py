"""The process that `probe_each` starts: loads models without memory, and says what they would take.

Dry runs come in on stdin, figures go out on stdout, both JSON; llama.cpp's log goes to stderr.
"""

import ctypes
import re
import sys
from collections import defaultdict
from dataclasses import replace

import llama_cpp.llama_cpp as C  # noqa: N812 - as in llama.py
import msgspec

from g4run.engine.llama import api as llama
from g4run.engine.llama.model_params import ModelParameters
from g4run.engine.log import failure_reason
from g4run.engine.parameters import LoadParameters
from g4run.engine.probe.breakdown import BufferTypeMemory, read_breakdown
from g4run.engine.probe.probe import DeviceMemory, Probed, ProbedMemory, ProbeFailure
from g4run.engine.standard_streams import take_standard_streams
from g4run.kv_types import KvType

_MIB = 1 << 20
# Lines of llama-context.cpp:381 and 740, and of llama-kv-cache.cpp:301, which print real numbers under no_alloc.
_OUTPUT = re.compile(r" (\S+) +output buffer size = +([0-9.]+) MiB")
_COMPUTE = re.compile(r" (\S+) compute buffer size = +([0-9.]+) MiB")
_CACHE = re.compile(r": size = +([0-9.]+) MiB \( *[0-9]+ cells")


class _DryModel(llama.Model):
    """A model of which only the metadata were read."""

    def __init__(self, parameters: LoadParameters) -> None:
        placed = ModelParameters(parameters)
        placed.raw.no_alloc = True
        placed.raw.load_mode = C.LLAMA_LOAD_MODE_NONE  # it asserts that nothing is mapped (llama-model.cpp:2017)
        self.handle = C.llama_model_load_from_file(parameters.model_path, placed.raw)
        if not self.handle:
            raise llama.LlamaError("the model could not be loaded")
        self.vocabulary = C.llama_model_get_vocab(self.handle)


class _Log:
    """llama.cpp's log since the last clearing; it goes on to stderr, where an assertion's reason is looked for."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._callback = C.llama_log_callback(self._keep)
        C.llama_log_set(self._callback, ctypes.c_void_p(0))

    def _keep(self, _level: int, text: bytes, _data: object) -> None:
        decoded = text.decode("utf-8", "replace")
        self._parts.append(decoded)
        sys.stderr.write(decoded)

    def take(self) -> str:
        """The text, which is forgotten here."""
        text = "".join(self._parts)
        self._parts.clear()
        return text


def _sizes(pattern: re.Pattern[str], log: str) -> dict[str, int]:
    """Bytes by buffer type; a line that comes again, as the graph is reserved anew, counts once."""
    return {name: round(float(size) * _MIB) for name, size in pattern.findall(log)}


def _probe_context(model: _DryModel, parameters: LoadParameters, log: _Log) -> ProbedMemory:
    log.take()
    context = llama.Context(model, parameters)
    try:
        return _figures(log.take(), read_breakdown(context.handle))
    finally:
        C.llama_free(context.handle)


def _figures(log: str, breakdown: tuple[BufferTypeMemory, ...] | None) -> ProbedMemory:
    """The library's own sums where they can be asked, with the log's size of what it leaves out: the logits."""
    outputs = _sizes(_OUTPUT, log)
    if breakdown is None:
        return _figures_of_log(log, outputs)
    names = dict.fromkeys([*(part.name for part in breakdown), *outputs])
    parts = {part.name: part for part in breakdown}
    nothing = BufferTypeMemory("", 0, 0, 0)
    devices = tuple(_device(name, parts.get(name, nothing), outputs.get(name, 0)) for name in names)
    return ProbedMemory(devices, sum(part.context_bytes for part in breakdown), is_exact=True)


def _device(name: str, part: BufferTypeMemory, output_bytes: int) -> DeviceMemory:
    return DeviceMemory(name, part.model_bytes, part.context_bytes, part.compute_bytes, output_bytes)


def _figures_of_log(log: str, outputs: dict[str, int]) -> ProbedMemory:
    computes = _sizes(_COMPUTE, log)
    names = dict.fromkeys([*computes, *outputs])
    devices = tuple(DeviceMemory(name, None, None, computes.get(name, 0), outputs.get(name, 0)) for name in names)
    kv_bytes = sum(round(float(size) * _MIB) for size in _CACHE.findall(log))
    return ProbedMemory(devices, kv_bytes, is_exact=False)


def _probe_group(runs: list[LoadParameters], log: _Log) -> list[Probed]:
    """Dry runs of one model, which is loaded once."""
    try:
        model = _DryModel(runs[0])
    except llama.LlamaError as error:
        return [ProbeFailure(failure_reason(log.take()) or str(error))] * len(runs)
    found: list[Probed] = []
    for run in runs:
        try:
            found.append(_probe_context(model, run, log))
        except llama.LlamaError as error:
            found.append(ProbeFailure(failure_reason(log.take()) or str(error)))
    C.llama_model_free(model.handle)
    return found


def _model_key(parameters: LoadParameters) -> LoadParameters:
    """The same for loads that differ in the context alone."""
    return replace(parameters, context_length=0, threads=0, sequences=1, micro_batch=1, kv_type=KvType.F16)


def _probe_all(runs: tuple[LoadParameters, ...], log: _Log) -> list[Probed]:
    groups: dict[LoadParameters, list[int]] = defaultdict(list)
    for index, run in enumerate(runs):
        groups[_model_key(run)].append(index)
    answers: dict[int, Probed] = {}
    for indexes in groups.values():
        answers |= dict(zip(indexes, _probe_group([runs[index] for index in indexes], log), strict=True))
    return [answers[index] for index in range(len(runs))]


def main() -> None:
    """Answer the dry runs on stdin."""
    requests, output = take_standard_streams()
    runs = msgspec.json.decode(requests.read(), type=tuple[LoadParameters, ...])
    log = _Log()
    llama.initialize_backend()
    with output:
        output.write(msgspec.json.encode(_probe_all(runs, log)) + b"\n")
