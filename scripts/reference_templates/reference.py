"""The reference templates, and the conversations and settings that they are rendered with.

They are rendered as transformers and llama-cpp-python do it: sandboxed, with trim_blocks and lstrip_blocks.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.exceptions import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from g4run.chat.render import PromptFormat

GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "golden"

Wire = dict[str, Any]  # JSON as clients send it
Settings = dict[str, bool]

VARIANTS: tuple[Settings, ...] = (
    {"thinking": False, "preserve_thinking": False, "add_generation_prompt": True},
    {"thinking": True, "preserve_thinking": False, "add_generation_prompt": True},
    {"thinking": True, "preserve_thinking": True, "add_generation_prompt": True},
    {"thinking": False, "preserve_thinking": False, "add_generation_prompt": False},
)


def read_template(directory: Path, format: PromptFormat) -> str:
    """The text of one reference template."""
    return (directory / f"gemma4_chat_template_{format}.jinja2").read_text(encoding="utf-8")


def make_environment() -> jinja2.Environment:
    """The environment in which transformers renders chat templates."""
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.globals["raise_exception"] = _raise
    environment.filters["tojson"] = lambda value, indent=None: json.dumps(value, ensure_ascii=False, indent=indent)
    return environment


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)


class Reference:
    """A reference template, ready to render."""

    def __init__(self, source: str | nodes.Template, **functions: Callable[..., Any]) -> None:
        environment = make_environment()
        environment.globals.update(functions)
        if isinstance(source, str):
            self._template = environment.from_string(source)
        else:
            code = environment.compile(source)
            self._template = jinja2.Template.from_code(environment, code, environment.make_globals(None))

    def render(self, conversation: Wire, settings: Settings) -> str:
        """The prompt as the reference writes it."""
        return self._template.render(
            messages=conversation["messages"],
            tools=conversation.get("tools") or None,
            bos_token="<bos>",
            enable_thinking=settings["thinking"],
            preserve_thinking=settings["preserve_thinking"],
            add_generation_prompt=settings["add_generation_prompt"],
        )


def read_cases() -> list[Wire]:
    """The conversations, each with its name."""
    cases: list[Wire] = json.loads((GOLDEN / "conversations.json").read_text(encoding="utf-8"))
    return cases
