"""What is done about AMX, each in a process of its own: the layouts belong to the process, and a trial forks."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="AMX is tried on Linux only")


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", f"from g4run.engine import amx\n{code}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def test_the_trial_passes_on_a_layout_that_computes() -> None:
    code = "ggml = amx.Ggml()\nprint(ggml.survives(ggml.plain_layout()))"
    assert run(code) == "True\n"


def test_the_trial_fails_on_a_product_that_is_wrong() -> None:
    code = """
class Wrong(amx.Ggml):
    def multiply(self, *given):
        return [value * 1.1 for value in super().multiply(*given)]
ggml = Wrong()
print(ggml.survives(ggml.plain_layout()))"""
    assert run(code) == "False\n"


def test_the_trial_fails_on_a_crash_and_on_a_hang() -> None:
    code = """
import os, signal, time
amx._TRIAL_SECONDS = 1
for fate in (lambda: os.kill(os.getpid(), signal.SIGSEGV), lambda: time.sleep(90)):  # longer than `run` waits
    class Doomed(amx.Ggml):
        def computes_rightly(self, layout, fate=fate):
            fate()
    print(Doomed().survives(0))"""
    assert run(code) == "False\nFalse\n"


def test_a_layout_that_fails_is_taken_off_the_list_and_the_others_stay() -> None:
    code = """
amx.Ggml.survives = lambda self, layout: False
before = amx.Ggml().layout_names()
was_removed = amx.avoid_broken_amx()
print(was_removed == ("AMX" in before))
print(amx.Ggml().layout_names() == tuple(name for name in before if name != "AMX"))"""
    assert run(code) == "True\nTrue\n"


def test_a_layout_that_works_stays() -> None:
    code = """
amx.Ggml.survives = lambda self, layout: True
before = amx.Ggml().layout_names()
print(amx.avoid_broken_amx(), amx.Ggml().layout_names() == before)"""
    assert run(code) == "False True\n"


def test_any_of_the_layouts_can_be_taken_off() -> None:
    """Also where there is no AMX: the list is ggml's own, and ends with a null."""
    code = """
ggml = amx.Ggml()
before = ggml.layout_names()
for index in reversed(range(len(before))):
    ggml.remove_layout(index)
    print(ggml.layout_names() == before[:index])"""
    assert set(run(code).split()) <= {"True"}


def test_who_brings_the_library_needs_neither_the_bindings_nor_numpy() -> None:
    code = """
import sys
from g4run.engine.llama.devices import load_library
library = load_library()
library.ggml_backend_load_all()
ggml = amx.Ggml(library)
print(ggml.computes_rightly(ggml.plain_layout()), {"llama_cpp", "numpy"} & set(sys.modules))"""
    assert run(code) == "True set()\n"
