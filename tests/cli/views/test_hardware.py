"""The whole report of `g4run hardware`, and its width."""

import io
import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from g4run.cli.commands.hardware import hardware
from g4run.cli.output import Output, Stream
from g4run.cli.views.hardware import render_assumptions, render_busy_note, render_machine
from g4run.hardware.machine_json import machine_value, parse_machine
from tests.hardware.recorded import NAMES, load_expected

BUSY = """\
  system           Linux on x86_64
  llama.cpp        built for CPU, CUDA

Processors
  model            AMD Ryzen 5 5600X 6-Core Processor
  cores            6; 12 logical
  threads to use   6
  instructions     avx avx2 fma f16c bmi2

Memory
  total            33.6 GB
  available        21.5 GB (includes reclaimable file cache)
  bandwidth        38 GB/s, measured here
  used by          python3 4.3 GB (process 3001)

GPU NVIDIA GeForce RTX 3090
  backend          CUDA
  memory           25.3 GB, dedicated
  free             2.4 GB
  bandwidth        936 GB/s, nominal, unconfirmed
  half precision   71 TFLOPS, nominal, unconfirmed
  used by          python3 18.5 GB (process 3001)
                   ollama_llama_server 4.3 GB (process 2077)

Disks
  412.0 GB free    of 1.0 TB: /home/ada/.local/share/g4run
  412.0 GB free    of 1.0 TB: /home/ada/.cache/huggingface/hub
"""
ADVICE = """\

The installed llama.cpp cannot use Apple M2: it was built without Metal.
  CMAKE_ARGS="-DGGML_METAL=on" pip install --force-reinstall --no-cache-dir --no-deps llama-cpp-python==0.3.36
"""


def test_a_machine_is_shown_in_full() -> None:
    assert render_machine(parse_machine(load_expected("busy-gpu")), None) == BUSY


def test_a_figure_of_a_busy_machine_is_marked() -> None:
    value = load_expected("busy-gpu")
    assert isinstance(value, dict)
    value["memory_bandwidth"]["was_busy"] = True
    machine = parse_machine(value)
    assert "  bandwidth        38 GB/s, measured here while other programs were busy\n" in render_machine(machine, None)
    assert machine_value(machine)["memory_bandwidth"] == value["memory_bandwidth"]


def test_advice_comes_last_with_its_command_on_one_line() -> None:
    text = render_machine(parse_machine(load_expected("apple-16-without-backend")), None)
    assert text.endswith(ADVICE)


def test_assumptions_are_one_line_and_a_busy_measurement_is_said() -> None:
    machine = parse_machine(load_expected("busy-gpu"))
    assert render_assumptions(machine, None) == ""
    assumed = replace(machine, assumptions=("a board with 4 cores", "2 x RTX 3060 with 12 GiB each"))
    text = "\nAssumed: a board with 4 cores; 2 x RTX 3060 with 12 GiB each.\n"
    assert render_assumptions(assumed, 80) == text
    assert render_busy_note(assumed, None) == ""
    busy = replace(machine, memory_bandwidth=replace(machine.memory_bandwidth, was_busy=True))
    assert render_busy_note(busy, 200) == (
        "\nThe memory bandwidth was measured while other programs were busy, so speeds may be too low; "
        "g4run hardware --measure measures it again.\n"
    )


def test_limits_are_shown() -> None:
    text = render_machine(parse_machine(load_expected("quota-2-of-64")), None)
    assert "  quota            2 processors (container limit)\n  threads to use   2\n" in text
    text = render_machine(parse_machine(load_expected("container-8gib")), None)
    assert "  limit            8.6 GB (container limit)\n" in text
    text = render_machine(parse_machine(load_expected("no-gpu")), None)
    assert "  cores            4 of 8 (CPU affinity); 4 logical\n" in text
    assert "\nGPU\n  none found\n" in text


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [None, 80, 60])
def test_lines_fit_a_terminal_except_paths_and_commands(name: str, width: int | None) -> None:
    text = render_machine(parse_machine(load_expected(name)), width)
    long = [line for line in text.splitlines() if len(line) > (width or 80)]
    assert [line for line in long if "CMAKE_ARGS" not in line and "/" not in line] == []


def test_an_engine_that_does_not_respond_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("G4RUN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(tmp_path))
    answer = io.StringIO()
    assert hardware(False, False)(Output(Stream(answer, required=True), Stream(None, required=False))) == 0
    assert "  llama.cpp        does not respond\n" in answer.getvalue()
    assert answer.getvalue().endswith("  python -m g4run.engine.probe.device_query\n")


def test_the_json_of_this_machine_can_be_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("G4RUN_HOME", str(tmp_path))
    answer = io.StringIO()
    assert hardware(False, True)(Output(Stream(answer, required=True), Stream(None, required=False))) == 0
    machine = parse_machine(json.loads(answer.getvalue()))
    assert machine.processors.physical_cores >= 1
    assert machine.build.backends[0] == "CPU"
    assert [disk.path for disk in machine.disks][:1] == [str(tmp_path)]
    assert (tmp_path / "hardware.json").exists()
