"""What ggml lists, asked in a process that may die."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from g4run.engine.llama.devices import (
    DeviceReport,
    EngineReport,
    inspect_engine,
    load_library,
    parse_report,
    report_backends,
)

GPU = DeviceReport("CUDA0", "NVIDIA GeForce RTX 3090", "CUDA", "gpu", 24 << 30, 23 << 30, "0000:01:00.0")


def test_the_installed_library_has_its_cpu_and_lists_no_cpu() -> None:
    report = inspect_engine()
    assert "CPU" in report.backends
    assert all(device.backend != "CPU" for device in report.devices)


def test_the_other_process_says_what_the_library_says() -> None:
    """AMX aside, which is left out where it fails."""
    found, listed = inspect_engine(), report_backends(load_library())
    assert replace(found, layouts=()) == replace(listed, layouts=())
    assert [name for name in listed.layouts if name in {"AMX", *found.layouts}] == list(listed.layouts)
    assert set(found.layouts) <= set(listed.layouts)


def test_the_layouts_are_those_that_the_engine_uses() -> None:
    code = (
        "from g4run.engine.llama.amx import Ggml, avoid_broken_amx; avoid_broken_amx(); print(*Ggml().layout_names())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]
    )
    assert inspect_engine().layouts == tuple(done.stdout.split())


def test_asking_loads_neither_the_bindings_nor_numpy() -> None:
    code = (
        "import sys; from g4run.engine.llama.devices import load_library, report_backends; report_backends(load_library());"
        "print({'llama_cpp', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]
    )
    assert done.stdout.strip() == "set()"


def test_the_module_prints_its_report() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "g4run.engine.llama.devices"],
        capture_output=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert parse_report(done.stdout) == inspect_engine()


def test_a_process_that_takes_too_long_has_no_devices() -> None:
    assert inspect_engine(seconds=0.0) == EngineReport()


def test_a_library_that_is_not_there_ends_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no ggml library in "):
        load_library({"LLAMA_CPP_LIB_PATH": str(tmp_path)})


def report(**changes: object) -> bytes:
    device = {name: getattr(GPU, name) for name in GPU.__slots__} | changes
    return json.dumps({"backends": ["CUDA", "CPU"], "devices": [device], "layouts": ["AMX"]}).encode()


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        (report(), EngineReport(("CUDA", "CPU"), (GPU,), ("AMX",))),
        (b"ggml_cuda_init: found 1 CUDA devices\n" + report() + b"\n", EngineReport(("CUDA", "CPU"), (GPU,), ("AMX",))),
        (report(colour="red"), EngineReport()),
        (b"", EngineReport()),
        (b"Segmentation fault", EngineReport()),
        (b"[]", EngineReport()),
        (b"{}", EngineReport()),
        (b'{"backends": 3, "devices": [], "layouts": []}', EngineReport()),
        (b'{"backends": [], "devices": []}', EngineReport()),
        (b"\xff\xfe", EngineReport()),
    ],
)
def test_a_report_is_read_whatever_was_printed(printed: bytes, expected: EngineReport) -> None:
    assert parse_report(printed) == expected
