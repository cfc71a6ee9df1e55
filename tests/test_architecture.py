"""Imports only point down, heavy libraries have one owner each, and imports inside functions count too."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# From the bottom up; neighbours on a line do not import each other.
LAYERS = (
    {"__version__", "errors", "units", "kv_types", "suggestions", "data"},
    {"settings", "files"},
    {"engine", "chat"},
    {"models", "hardware"},
    {"planner"},
    {"runtime", "history"},
    {"server", "client", "diagnostics"},
    {"cli"},
    {"__main__"},
)
RANKS = {name: rank for rank, names in enumerate(LAYERS) for name in names}

OWNERS = {
    "llama_cpp": "g4run/engine/",
    "numpy": "g4run/engine/",
    "psutil": "g4run/hardware/",
    "huggingface_hub": "g4run/models/hub/client.py",
    "httpx2": "g4run/models/",
    "filelock": "g4run/models/",
    "starlette": "g4run/server/",
    "uvicorn": "g4run/server/",
    "typer": "g4run/cli/",
    "rich": "g4run/cli/",
    "prompt_toolkit": "g4run/cli/",
    "platformdirs": "g4run/settings.py",
    "click": "nobody",
    "typer.core": "nobody",
    "typer._click": "nobody",
}


def find_imports(source: str, path: str) -> Iterator[str]:
    """Every module that a file imports, anywhere in it, by its full name."""
    package = path.removesuffix(".py").removesuffix("/__init__").split("/")
    if not path.endswith("/__init__.py"):
        package.pop()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = [*package[: len(package) - level + 1]] if level else []
                prefix = ".".join([*base, *([module] if module else [])])
                yield from (f"{prefix}.{alias.name}" for alias in names)
            case ast.Call(func=ast.Name(id="__import__")) | ast.Call(func=ast.Attribute(attr="import_module")):
                yield "an import that cannot be checked"


def find_violations(source: str, path: str) -> list[str]:
    """What a file at `path`, relative to the repository, imports against the rules."""
    return [
        f"{path}: {module}"
        for module in find_imports(source, path)
        if _points_up(module, path) or _is_owned(module, path)
    ]


def _points_up(module: str, path: str) -> bool:
    if module == "an import that cannot be checked":
        return True
    if not module.startswith("g4run."):
        return False
    ours, theirs = path.split("/")[1].removesuffix(".py"), module.split(".")[1]
    return ours != theirs and RANKS[theirs] >= RANKS[ours]


def _is_owned(module: str, path: str) -> bool:
    return any(
        (module == library or module.startswith(f"{library}.")) and not path.startswith(owner)
        for library, owner in OWNERS.items()
    )


def test_the_program_keeps_the_rules() -> None:
    files = sorted((ROOT / "g4run").rglob("*.py"))
    assert len(files) > 20
    paths = [file.relative_to(ROOT).as_posix() for file in files if file.parent.name != "g4run" or file.stem in RANKS]
    assert [line for path in paths for line in find_violations((ROOT / path).read_text("utf-8"), path)] == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("g4run/chat/render.py", "from g4run.runtime.model import ChatModel"),
        ("g4run/chat/render.py", "from g4run.engine import parameters"),
        ("g4run/chat/render.py", "import g4run.engine.parameters"),
        ("g4run/chat/render.py", "from ..engine import parameters"),
        ("g4run/chat/render.py", "from .. import engine"),
        ("g4run/chat/__init__.py", "from ..engine import parameters"),
        ("g4run/chat/render.py", "def f():\n    import numpy"),
        ("g4run/chat/render.py", "if TYPE_CHECKING:\n    from g4run.cli import app"),
        ("g4run/cli/run.py", "import llama_cpp.llama_cpp as C"),
        ("g4run/cli/run.py", "from typer.core import TyperGroup"),
        ("g4run/cli/run.py", "from typer import core"),
        ("g4run/cli/run.py", "import click"),
        ("g4run/engine/text.py", "import importlib\nimportlib.import_module('g4run.cli')"),
        ("g4run/engine/text.py", "from g4run.models import gguf"),
        ("g4run/errors.py", "from g4run.settings import Settings"),
        ("g4run/models/store.py", "import huggingface_hub"),
    ],
)
def test_a_broken_rule_is_found(path: str, source: str) -> None:
    assert len(find_violations(source, path)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("g4run/chat/render.py", "from g4run.chat import tokens\nfrom . import tokens\nfrom .tokens import BOS"),
        ("g4run/runtime/model.py", "from g4run.chat.render import render\nfrom g4run.engine.client import Engine"),
        ("g4run/engine/llama.py", "import llama_cpp.llama_cpp as C\nimport numpy as np"),
        ("g4run/cli/app.py", "import typer\nfrom g4run import __version__"),
        ("g4run/__main__.py", "from g4run import __version__"),
        ("g4run/models/hub/client.py", "import huggingface_hub"),
    ],
)
def test_what_is_allowed_is_not_found(path: str, source: str) -> None:
    assert find_violations(source, path) == []
