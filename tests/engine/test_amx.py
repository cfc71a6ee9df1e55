"""What is done about AMX, each in a process of its own: the layouts belong to the process, and a trial forks."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
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
    code = "import ctypes; plain = amx._function('ggml_backend_cpu_buffer_type', ctypes.c_void_p)()"
    assert run(f"{code}\nprint(amx._survives(plain))") == "True\n"


def test_the_trial_fails_on_a_product_that_is_wrong() -> None:
    code = """
import ctypes
multiply = amx._multiply
amx._multiply = lambda *given: multiply(*given) * 1.1
plain = amx._function('ggml_backend_cpu_buffer_type', ctypes.c_void_p)()
print(amx._survives(plain))"""
    assert run(code) == "False\n"


def test_the_trial_fails_on_a_crash_and_on_a_hang() -> None:
    code = """
import os, signal, time
amx._TRIAL_SECONDS = 1
for fate in (lambda: os.kill(os.getpid(), signal.SIGSEGV), lambda: time.sleep(30)):
    amx._computes_rightly = lambda layout, fate=fate: fate()
    print(amx._survives(0))"""
    assert run(code) == "False\nFalse\n"


def test_a_layout_that_fails_is_taken_off_the_list_and_the_others_stay() -> None:
    code = """
amx._survives = lambda layout: False
before = amx._weight_layouts()
was_removed = amx.avoid_broken_amx()
print(was_removed == any(name == "AMX" for _, name in before))
print(amx._weight_layouts() == [entry for entry in before if entry[1] != "AMX"])"""
    assert run(code) == "True\nTrue\n"


def test_a_layout_that_works_stays() -> None:
    code = """
amx._survives = lambda layout: True
before = amx._weight_layouts()
print(amx.avoid_broken_amx(), amx._weight_layouts() == before)"""
    assert run(code) == "False True\n"
