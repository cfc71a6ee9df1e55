"""What a light command may import: a timing would be a benchmark, the modules are the reason for it."""

import subprocess
import sys

import pytest

# msgspec is not among them: after typer it costs 4 ms of 60 (its import adds `decimal` and its own modules), and it
# decodes what the light commands read.
HEAVY = (
    "llama_cpp",
    "numpy",
    "llguidance",
    "huggingface_hub",
    "httpx2",
    "starlette",
    "rich",
    "prompt_toolkit",
    "psutil",
    "asyncio",
)

PROGRAM = """
import io, sys
from g4run.__main__ import main
sys.argv = ["g4run", *sys.argv[1:]]
stdout, sys.stdout = sys.stdout, io.StringIO()
code = main()
print(code, *sorted(sys.modules), file=stdout)
"""


def modules_after(*arguments: str) -> tuple[int, set[str]]:
    """Exit code of a command, and the modules that it had loaded when it ended."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    code, *modules = done.stdout.split()
    return int(code), set(modules)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--version"], 0),
        ([], 0),
        (["--help"], 0),
        (["run", "--help"], 0),
        (["chat", "--help"], 0),
        (["run", "demo", "Hello!", "--show-prompt"], 0),
        (["run", "demo", "Hello!", "--show-prompt", "--json", "--as", "31b"], 0),
        (["run", "demo", "Hello!", "--top-p", "2"], 2),
        (["run", "demo"], 2),
        (["run", "no-such-model", "Hello!"], 3),
        (["list"], 0),
        (["list", "--json"], 0),
        (["list", "--available", "26b"], 0),
        (["show", "demo"], 0),
        (["list", "--space"], 0),
        (["hardware"], 0),
        (["plan", "demo", "--ram", "8GB"], 0),
        (["recommend", "--help"], 0),
        (["verify"], 0),
        (["rm", "x"], 3),
        (["cp", "a", "b"], 3),
        (["pull"], 2),
    ],
)
def test_a_light_command_loads_nothing_heavy(arguments: list[str], code: int) -> None:
    ended, modules = modules_after(*arguments)
    assert (ended, sorted(modules.intersection(HEAVY))) == (code, [])


def test_the_version_loads_nothing_but_itself() -> None:
    _, modules = modules_after("--version")
    assert sorted(name for name in modules if name.startswith("g4run")) == ["g4run", "g4run.__main__"]
    assert not modules.intersection({"typer", "argparse", "dataclasses", "inspect", "re"})
