"""Whole machines: what every detector makes of files and answers composed after real formats."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest

from g4run.engine.llama.devices import EngineReport
from g4run.hardware.machine_json import machine_value, parse_machine
from tests.hardware.recorded import NAMES, load_expected, load_recorded


@pytest.mark.parametrize("name", NAMES)
def test_a_machine_is_seen_as_it_is(name: str, tmp_path: Path) -> None:
    machine = load_recorded(name, tmp_path).inspect()
    assert json.loads(json.dumps(machine_value(machine))) == load_expected(name)
    assert parse_machine(load_expected(name)) == machine


def test_all_kinds_of_machines_are_there() -> None:
    assert len(NAMES) >= 14


@pytest.mark.parametrize("name", NAMES)
def test_no_gpu_has_more_free_than_it_has(name: str, tmp_path: Path) -> None:
    assert all(0 <= gpu.free_bytes <= gpu.total_bytes for gpu in load_recorded(name, tmp_path).inspect().gpus)


def test_where_the_engine_does_not_answer_no_gpu_is_usable_and_the_command_that_shows_why_is_named(
    tmp_path: Path,
) -> None:
    machine = replace(load_recorded("desktop", tmp_path), engine=EngineReport()).inspect()
    assert [(gpu.name, gpu.backend) for gpu in machine.gpus] == [("NVIDIA GeForce RTX 4090", None)]
    assert machine.build.backends == ()
    assert machine.build.advice.startswith("llama.cpp crashes or hangs as it starts")
    _, option, module = machine.build.command.split()
    assert option == "-m"
    assert importlib.util.find_spec(module) is not None
