"""What is done about AMX, each in a process of its own: the buffer types belong to the process."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="AMX is tried on Linux only")


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", f"from g4run.engine.llama import amx\nfrom g4run.engine.probe import amx_trial\n{code}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def test_the_trial_passes_on_buffer_types_that_compute() -> None:
    code = """
from llama_cpp import _ggml
amx.switch_off(_ggml.libggml)
print(amx_trial.decodes_rightly())"""
    assert run(code) == "True\n"


def test_the_trial_fails_on_logits_that_are_wrong() -> None:
    code = """
compute = amx_trial.llama.Context.logits
amx_trial.llama.Context.logits = lambda context, index: -compute(context, index)
print(amx_trial.decodes_rightly())"""
    assert run(code) == "False\n"


def test_any_of_the_buffer_types_can_be_taken_off() -> None:
    """Also where there is no AMX: the list is ggml's own, and ends with a null."""
    code = """
from llama_cpp import _ggml
before = list(amx.buffer_type_names(_ggml.libggml))
while before:
    name = before.pop(len(before) // 2)
    print(amx.switch_off(_ggml.libggml, name), list(amx.buffer_type_names(_ggml.libggml)) == before)
print(amx.is_listed(_ggml.libggml), amx.switch_off(_ggml.libggml))"""
    *removals, last = run(code).splitlines()
    assert set(removals) <= {"True True"}
    assert last == "False False"


def test_a_model_that_is_loaded_without_amx_takes_it_off_the_list() -> None:
    code = """
from llama_cpp import _ggml
from g4run.engine.parameters import LoadParameters
from g4run.engine.llama.model_params import ModelParameters
others = [name for name in amx.buffer_type_names(_ggml.libggml) if name != b"AMX"]
ModelParameters(LoadParameters(b"", 256, threads=1, amx=False))
print(list(amx.buffer_type_names(_ggml.libggml)) == others)"""
    assert run(code) == "True\n"
