"""A machine as JSON, as `g4run hardware --json` prints it, and back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Final, NoReturn, TypeVar

from g4run.errors import UsageError
from g4run.hardware.machine import (
    Bandwidth,
    Build,
    Disk,
    FigureSource,
    Gpu,
    GpuKind,
    GpuProcess,
    Machine,
    Platform,
)
from g4run.hardware.memory import Memory
from g4run.hardware.processors import Processors

_HINT: Final = "g4run hardware --json prints a whole machine"
_MOST: Final = 2**63 - 1
Value = TypeVar("Value")


def machine_value(machine: Machine) -> dict[str, object]:
    """The machine's fields, and two that follow from them: `processors.threads`, `memory.usable_bytes`."""
    value = {name: _plain(part) for name, part in asdict(machine).items()}
    processors, memory = value["processors"], value["memory"]
    if isinstance(processors, dict) and isinstance(memory, dict):
        processors["threads"] = machine.processors.threads
        memory["usable_bytes"] = machine.memory.usable_bytes
    return value


def parse_machine(value: object) -> Machine:
    """The machine of a JSON value; fields that are not known are ignored. Raises UsageError, which names the field."""
    reader = _Reader(value, "")
    return Machine(
        platform=reader.part("platform", _parse_platform),
        processors=reader.part("processors", _parse_processors),
        memory=reader.part("memory", _parse_memory),
        memory_bandwidth=reader.part("memory_bandwidth", _parse_bandwidth),
        gpus=reader.parts("gpus", _parse_gpu),
        disks=reader.parts("disks", _parse_disk),
        build=reader.part("build", _parse_build),
        memory_processes=reader.parts("memory_processes", _parse_process),
    )


def _plain(value: object) -> object:
    """Lists for tuples and plain text for enumerations, as JSON has them."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


class _Reader:
    """The fields of one JSON object, each checked as it is taken."""

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, Mapping):
            raise UsageError(f"{path or 'a machine'} must be an object, not {_describe(value)}", _HINT)
        self._fields = value
        self._path = path

    def text(self, name: str) -> str:
        value = self._get(name)
        return value if isinstance(value, str) else self._refuse(name, "text", value)

    def fact(self, name: str) -> bool:
        value = self._get(name)
        return value if isinstance(value, bool) else self._refuse(name, "true or false", value)

    def count(self, name: str, least: int = 0) -> int:
        value = self._get(name)
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= _MOST:
            return value
        return self._refuse(name, f"a whole number of {least} or more", value)

    def number(self, name: str) -> float:
        value = self._get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= _MOST * 1e6:
            return float(value)
        return self._refuse(name, "a number above 0", value)

    def optional(self, name: str, take: Callable[[str], Value]) -> Value | None:
        return None if self._get(name) is None else take(name)

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(_text_of(item, f"{self._name(name)}[{index}]") for index, item in enumerate(self._list(name)))

    def part(self, name: str, parse: Callable[["_Reader"], Value]) -> Value:
        return parse(_Reader(self._get(name), self._name(name)))

    def parts(self, name: str, parse: Callable[["_Reader"], Value]) -> tuple[Value, ...]:
        path = self._name(name)
        return tuple(parse(_Reader(item, f"{path}[{index}]")) for index, item in enumerate(self._list(name)))

    def gpu_kind(self, name: str) -> GpuKind:
        text = self.text(name)
        kinds = [kind.value for kind in GpuKind]
        return GpuKind(text) if text in kinds else self._refuse(name, f"one of {', '.join(kinds)}", text)

    def source(self, name: str) -> FigureSource:
        text = self.text(name)
        sources = [source.value for source in FigureSource]
        return FigureSource(text) if text in sources else self._refuse(name, f"one of {', '.join(sources)}", text)

    def _get(self, name: str) -> object:
        if name not in self._fields:
            raise UsageError(f"the machine lacks {self._name(name)}", _HINT)
        return self._fields[name]

    def _list(self, name: str) -> Sequence[object]:
        value = self._get(name)
        return value if isinstance(value, list) else self._refuse(name, "a list", value)

    def _name(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def _refuse(self, name: str, wanted: str, value: object) -> NoReturn:
        raise UsageError(f"{self._name(name)} must be {wanted}, not {_describe(value)}", _HINT)


def _text_of(value: object, path: str) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{path} must be text, not {_describe(value)}", _HINT)
    return value


def _describe(value: object) -> str:
    """A value short enough for a sentence."""
    if isinstance(value, Mapping | list):
        return "an object" if isinstance(value, Mapping) else "a list"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:g}" if abs(value) <= _MOST else "a number out of range"
    return "null" if value is None else repr(value)[:40]


def _parse_platform(reader: _Reader) -> Platform:
    return Platform(
        system=reader.text("system"),
        architecture=reader.text("architecture"),
        is_wsl=reader.fact("is_wsl"),
        is_container=reader.fact("is_container"),
    )


def _parse_processors(reader: _Reader) -> Processors:
    return Processors(
        physical_cores=reader.count("physical_cores", 1),
        quota=reader.optional("quota", reader.number),
        model=reader.text("model"),
        logical_processors=reader.count("logical_processors"),
        installed_cores=reader.count("installed_cores"),
        performance_cores=reader.optional("performance_cores", reader.count),
        instruction_sets=reader.texts("instruction_sets"),
        are_virtual=reader.fact("are_virtual"),
    )


def _parse_memory(reader: _Reader) -> Memory:
    return Memory(
        total_bytes=reader.count("total_bytes", 1),
        available_bytes=reader.count("available_bytes"),
        limit_bytes=reader.optional("limit_bytes", reader.count),
    )


def _parse_bandwidth(reader: _Reader) -> Bandwidth:
    return Bandwidth(reader.number("bytes_per_second"), reader.source("source"))


def _parse_gpu(reader: _Reader) -> Gpu:
    return Gpu(
        name=reader.text("name"),
        kind=reader.gpu_kind("kind"),
        backend=reader.optional("backend", reader.text),
        total_bytes=reader.count("total_bytes"),
        free_bytes=reader.count("free_bytes"),
        bandwidth=reader.optional("bandwidth", lambda name: reader.part(name, _parse_bandwidth)),
        half_precision_flops=reader.optional("half_precision_flops", reader.number),
        processes=reader.parts("processes", _parse_process),
    )


def _parse_process(reader: _Reader) -> GpuProcess:
    return GpuProcess(reader.count("pid"), reader.text("name"), reader.count("used_bytes"))


def _parse_disk(reader: _Reader) -> Disk:
    return Disk(reader.text("path"), reader.count("total_bytes"), reader.count("free_bytes"))


def _parse_build(reader: _Reader) -> Build:
    return Build(reader.texts("backends"), reader.text("advice"), reader.text("command"))
