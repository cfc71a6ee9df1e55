"""A machine as JSON and back; what is missing or wrong is named."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from g4run.hardware.machine_json import machine_value, parse_machine
from g4run.hardware.memory import Memory
from g4run.hardware.processors import Processors

COUNTS = st.integers(0, 2**63 - 1)
RATES = st.floats(1e-3, 1e18)
NAMES = st.text(max_size=8)
BANDWIDTHS = st.builds(Bandwidth, RATES, st.sampled_from(FigureSource), st.booleans())
PROCESSES = st.lists(st.builds(GpuProcess, COUNTS, NAMES, COUNTS), max_size=2).map(tuple)
GPUS = st.builds(
    Gpu,
    name=NAMES,
    kind=st.sampled_from(GpuKind),
    backend=st.none() | NAMES,
    total_bytes=COUNTS,
    free_bytes=COUNTS,
    bandwidth=st.none() | BANDWIDTHS,
    half_precision_flops=st.none() | RATES,
    processes=PROCESSES,
)
MACHINES = st.builds(
    Machine,
    platform=st.builds(Platform, NAMES, NAMES, st.booleans(), st.booleans()),
    processors=st.builds(
        Processors,
        physical_cores=st.integers(1, 512),
        quota=st.none() | RATES,
        model=NAMES,
        logical_processors=COUNTS,
        installed_cores=COUNTS,
        performance_cores=st.none() | COUNTS,
        instruction_sets=st.lists(NAMES, max_size=3).map(tuple),
    ),
    memory=st.builds(Memory, st.integers(1, 2**62), COUNTS, st.none() | COUNTS),
    memory_bandwidth=BANDWIDTHS,
    gpus=st.lists(GPUS, max_size=2).map(tuple),
    disks=st.lists(st.builds(Disk, NAMES, COUNTS, COUNTS), max_size=2).map(tuple),
    build=st.builds(Build, st.lists(NAMES, max_size=2).map(tuple), NAMES, NAMES),
    memory_processes=PROCESSES,
)
EXPECTED = Path(__file__).parent / "fixtures" / "busy-gpu" / "expected.json"


def machine_object() -> dict[str, object]:
    value = json.loads(EXPECTED.read_text("utf-8"))
    assert isinstance(value, dict)
    return value


@given(MACHINES)
def test_every_machine_comes_back_from_its_json(machine: Machine) -> None:
    assert parse_machine(json.loads(json.dumps(machine_value(machine)))) == machine


def every_path(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Where every field of a JSON value stands, but for the two that follow from others."""
    found: list[tuple[str | int, ...]] = []
    if isinstance(value, dict):
        for name, item in value.items():
            if name not in ("threads", "usable_bytes"):
                found += [(*path, name), *every_path(item, (*path, name))]
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += every_path(item, (*path, index))
    return found


def written(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def parent_of(value: object, path: tuple[str | int, ...]) -> dict[str, object]:
    for part in path[:-1]:
        value = value[part] if isinstance(value, dict) else value[int(part)]  # type: ignore[index]
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize("path", every_path(json.loads(EXPECTED.read_text("utf-8"))), ids=written)
def test_a_missing_field_is_named(path: tuple[str | int, ...]) -> None:
    value = machine_object()
    del parent_of(value, path)[str(path[-1])]
    with pytest.raises(UsageError) as caught:
        parse_machine(value)
    assert caught.value.message == f"the machine lacks {written(path)}"
    assert caught.value.hint == "g4run hardware --json prints a whole machine"


@pytest.mark.parametrize("path", every_path(json.loads(EXPECTED.read_text("utf-8"))), ids=written)
def test_a_field_of_the_wrong_kind_is_named(path: tuple[str | int, ...]) -> None:
    value = machine_object()
    parent_of(value, path)[str(path[-1])] = -1.5
    with pytest.raises(UsageError) as caught:
        parse_machine(value)
    assert caught.value.message.startswith(f"{written(path)}: expected ")
    assert caught.value.message.endswith((", got `float`", " > 0.0"))


def test_unknown_fields_are_ignored() -> None:
    value = machine_object()
    expected = parse_machine(value)
    for path in every_path(machine_object()):
        parent_of(value, path)["from_a_later_version"] = [1]
    assert parse_machine(value) == expected


@pytest.mark.parametrize(
    ("path", "wrong", "message"),
    [
        (("memory", "total_bytes"), True, "memory.total_bytes: expected `int`, got `bool`"),
        (("memory", "total_bytes"), 0, "memory.total_bytes: expected `int` >= 1"),
        pytest.param(
            ("memory", "total_bytes"),
            10**400,
            "memory.total_bytes: expected `int` <= 9223372036854775807",
            id="a number of 400 digits",
        ),
        (
            ("memory_bandwidth", "bytes_per_second"),
            float("nan"),
            "memory_bandwidth.bytes_per_second: expected `float` > 0.0",
        ),
        (
            ("memory_bandwidth", "source"),
            "rumour",
            "memory_bandwidth.source: invalid enum value 'rumour'",
        ),
        (("gpus", 0, "kind"), "big", "gpus[0].kind: invalid enum value 'big'"),
        (("gpus", 0, "name"), None, "gpus[0].name: expected `str`, got `null`"),
        (("gpus", 0, "processes"), {}, "gpus[0].processes: expected `array`, got `object`"),
        (("gpus",), [7], "gpus[0]: expected `object`, got `int`"),
        (("build", "backends"), [7], "build.backends[0]: expected `str`, got `int`"),
        (("memory",), [], "memory: expected `object`, got `array`"),
    ],
)
def test_what_is_wrong_is_said(path: tuple[str | int, ...], wrong: object, message: str) -> None:
    value = machine_object()
    parent_of(value, path)[str(path[-1])] = wrong
    with pytest.raises(UsageError) as caught:
        parse_machine(value)
    assert caught.value.message == message


@pytest.mark.parametrize("value", [None, [], "machine", 3])
def test_what_is_no_object_is_no_machine(value: object) -> None:
    with pytest.raises(UsageError, match=r"^the machine: expected `object`, got "):
        parse_machine(value)
