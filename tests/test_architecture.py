"""Imports only point down and never in a circle, and heavy libraries have one owner each; inside functions too."""

from collections import Counter

import pytest

from tests.architecture import MOST_FILES, RANKS, find_circles, find_violations, read_sources


def test_the_program_keeps_the_rules() -> None:
    sources = read_sources()
    assert len(sources) > 20
    paths = [path for path in sources if path.count("/") > 1 or path.split("/")[1].removesuffix(".py") in RANKS]
    assert [line for path in paths for line in find_violations(sources[path], path)] == []


def test_every_place_in_the_program_has_a_layer() -> None:
    places = {path.split("/")[1].removesuffix(".py") for path in read_sources()} - {"__init__"}
    assert places <= set(RANKS)


def test_no_package_imports_in_a_circle() -> None:
    assert find_circles(read_sources()) == []


def test_no_folder_is_crowded() -> None:
    files = Counter(path.rpartition("/")[0] for path in read_sources())
    assert {folder: count for folder, count in files.items() if count > MOST_FILES} == {}


@pytest.mark.parametrize(
    ("sources", "circles"),
    [
        ({"g4run/a.py": "import g4run.b", "g4run/b.py": "from g4run import a"}, ["g4run: a b"]),
        ({"g4run/a/x.py": "def f():\n    from g4run.b.y import z", "g4run/b/w.py": "import g4run.a.v"}, ["g4run: a b"]),
        ({"g4run/a/x.py": "from g4run.a.b.y import z", "g4run/a/b/w.py": "from ..x import v"}, ["g4run.a: b x"]),
        ({"g4run/a/x.py": "from g4run.a.y import z", "g4run/a/y.py": "from g4run.a.x import v"}, ["g4run.a: x y"]),
        (
            {"g4run/a.py": "import g4run.b", "g4run/b.py": "import g4run.c", "g4run/c.py": "import g4run.a"},
            ["g4run: a b c"],
        ),
        ({"g4run/a/x.py": "from g4run.b import z", "g4run/b.py": "import g4run.c", "g4run/c.py": ""}, []),
    ],
)
def test_circles_are_found_at_every_depth(sources: dict[str, str], circles: list[str]) -> None:
    assert find_circles(sources) == circles


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
