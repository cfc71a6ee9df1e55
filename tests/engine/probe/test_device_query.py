"""What ggml lists, asked in a process that may die."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from g4run.engine.llama.devices import DeviceReport, EngineReport, inspect_engine
from g4run.engine.llama.ggml import load_library
from g4run.engine.probe.device_query import backends_of, devices_of, render_json

ROOT = Path(__file__).parents[3]


def test_the_installed_library_has_its_cpu_and_lists_no_cpu() -> None:
    report = inspect_engine()
    assert "CPU" in report.backends
    assert all(device.backend != "CPU" for device in report.devices)


def test_the_other_process_says_what_the_library_says() -> None:
    found, library = inspect_engine(), load_library()
    assert found.backends == tuple(backends_of(library))
    assert found.devices == tuple(DeviceReport(**device) for device in devices_of(library))  # type: ignore[arg-type]


def test_asking_loads_neither_the_bindings_nor_numpy() -> None:
    code = (
        "import sys; from g4run.engine.llama.ggml import load_library; "
        "from g4run.engine.probe.device_query import devices_of; "
        "list(devices_of(load_library())); print({'llama_cpp', 'numpy', 'msgspec'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "set()"


def test_the_module_prints_its_report() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "g4run.engine.probe.device_query"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.startswith('{"backends": ["')


def test_a_process_that_takes_too_long_has_no_devices() -> None:
    assert inspect_engine(timeout_seconds=0.0) == EngineReport()


def test_a_library_that_is_not_there_ends_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="no ggml library in "):
        load_library({"LLAMA_CPP_LIB_PATH": str(tmp_path)})
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(tmp_path))
    assert inspect_engine() == EngineReport()


def test_reports_are_json() -> None:
    report = {"backends": ["CPU", 'a "b"\\c/ü'], "devices": [{"name": "\\", "total_bytes": 1 << 62}], "has_amx": True}
    assert json.loads(render_json(report)) == report
