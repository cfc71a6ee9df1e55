"""Write, check and measure the golden prompts with Google's reference templates.

    golden_prompts.py --templates DIR               write tests/golden/prompts from tests/golden/conversations.json
    golden_prompts.py --templates DIR --check       compare instead of writing
    golden_prompts.py --templates DIR --coverage    say which branches of the templates the conversations reach
    golden_prompts.py --templates DIR --fuzz 10000  compare the renderer with the templates on random conversations

DIR holds gemma4_chat_template_small.jinja2 and gemma4_chat_template_large.jinja2, which this repository does not hold.
They are rendered as transformers and llama-cpp-python do it: sandboxed, with trim_blocks and lstrip_blocks.

Branches that no conversation can reach: empty loops behind a condition that keeps them from being empty, two conditions
on what the lines before them have settled, and what our parser refuses (arguments that are no object, unknown parts).
"""

import argparse
import itertools
import json
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden"
sys.path.insert(0, str(GOLDEN.parent.parent))

from g4run.chat.openai_shape import parse_conversation  # noqa: E402 - runs from a checkout, installed or not
from g4run.chat.render import PromptFormat, render  # noqa: E402
from g4run.errors import UsageError  # noqa: E402

Wire = dict[str, Any]  # JSON as clients send it
Settings = dict[str, bool]

VARIANTS: tuple[Settings, ...] = (
    {"thinking": False, "preserve_thinking": False, "add_generation_prompt": True},
    {"thinking": True, "preserve_thinking": False, "add_generation_prompt": True},
    {"thinking": True, "preserve_thinking": True, "add_generation_prompt": True},
    {"thinking": False, "preserve_thinking": False, "add_generation_prompt": False},
)


def main() -> int:
    """Do what the arguments say; 1 where something differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--templates", type=Path, required=True, metavar="DIR")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--coverage", action="store_true")
    parser.add_argument("--fuzz", type=int, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.coverage:
        return measure_coverage(options.templates)
    references = {format: Reference(read_template(options.templates, format)) for format in PromptFormat}
    if options.fuzz:
        return fuzz(references, options.fuzz, random.Random(options.seed))
    return write_goldens(references, only_checks=options.check)


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


def write_goldens(references: dict[PromptFormat, Reference], *, only_checks: bool) -> int:
    """Write one file per conversation, or say which ones differ."""
    directory = GOLDEN / "prompts"
    directory.mkdir(exist_ok=True)
    different = []
    expected = {f"{case['name']}.json": make_golden(case, references) for case in read_cases()}
    for name, golden in expected.items():
        path = directory / name
        if only_checks and (not path.exists() or path.read_text(encoding="utf-8") != golden):
            different.append(name)
        elif not only_checks:
            path.write_text(golden, encoding="utf-8", newline="\n")
    surplus = [path.name for path in directory.glob("*.json") if path.name not in expected]
    print(f"{len(expected)} conversations, {len(VARIANTS)} variants each", *different, *surplus, sep="\n")
    return 1 if different or surplus else 0


def make_golden(case: Wire, references: dict[PromptFormat, Reference]) -> str:
    """The golden file's text: the conversation and every variant's prompt for each size."""
    prompts = [
        {**settings, **{format.value: reference.render(case, settings) for format, reference in references.items()}}
        for settings in VARIANTS
    ]
    conversation = {key: case[key] for key in ("messages", "tools") if key in case}
    golden = {"name": case["name"], "conversation": conversation, "prompts": prompts}
    return json.dumps(golden, ensure_ascii=False, indent=1) + "\n"


# Coverage: every branch of every condition and loop gets a call that notes that it was taken.


def measure_coverage(directory: Path) -> int:
    """Print how many branches of each template the conversations reach, and those that they do not."""
    lines = {format: read_template(directory, format).splitlines() for format in PromptFormat}
    missed_any = False
    for format in PromptFormat:
        branches: list[tuple[int, str]] = []
        tree = make_environment().parse(read_template(directory, format))
        instrument(tree, branches)
        taken: set[int] = set()
        reference = Reference(tree, note_branch=lambda number, value="", taken=taken: (taken.add(number), value)[1])
        for case, settings in itertools.product(read_cases(), VARIANTS):
            reference.render(case, settings)
        missed = [branch for number, branch in enumerate(branches) if number not in taken]
        print(f"{format}: {len(taken)} of {len(branches)} branches")
        for line, kind in sorted(missed):
            print(f"  line {line}, {kind}: {lines[format][line - 1].strip()[:100]}")
        missed_any = missed_any or bool(missed)
    return 1 if missed_any else 0


def instrument(tree: nodes.Node, branches: list[tuple[int, str]]) -> None:
    """Put a note at the head of every branch: bodies, else parts (also those not written), and, or, if-expressions."""

    def note(line: int, kind: str, *value: nodes.Expr) -> nodes.Call:
        branches.append((line, kind))
        call = nodes.Call(nodes.Name("note_branch", "load"), [nodes.Const(len(branches) - 1), *value], [], None, None)
        return call.set_environment(tree.environment).set_lineno(line)  # type: ignore[attr-defined, no-any-return]

    def statement(line: int, kind: str) -> nodes.Node:
        return nodes.ExprStmt(note(line, kind), lineno=line)

    for branch in list(tree.find_all((nodes.If, nodes.For))):
        if isinstance(branch, nodes.If):
            branch.body.insert(0, statement(branch.lineno, "if"))
            if not isinstance_elif(tree, branch) and not branch.elif_:
                branch.else_.insert(0, statement(branch.lineno, "else"))
            elif branch.elif_:
                branch.else_.insert(0, statement(branch.elif_[-1].lineno, "else"))
        else:
            branch.body.insert(0, statement(branch.lineno, "loop"))
            branch.else_.insert(0, statement(branch.lineno, "empty loop"))
    for choice in list(tree.find_all((nodes.CondExpr, nodes.And, nodes.Or))):
        if isinstance(choice, nodes.CondExpr):
            choice.expr1 = note(choice.lineno, "then", choice.expr1)
            choice.expr2 = note(choice.lineno, "otherwise", choice.expr2 or nodes.Const(""))
        else:
            choice.right = note(choice.lineno, "second operand", choice.right)


def isinstance_elif(tree: nodes.Node, branch: nodes.If) -> bool:
    """Whether a condition is the elif of another, whose else part it shares."""
    return any(branch is other for parent in tree.find_all(nodes.If) for other in parent.elif_)


# Fuzzing: random conversations in OpenAI's shape, odd values included.


def fuzz(references: dict[PromptFormat, Reference], count: int, source: random.Random) -> int:
    """Compare the renderer with the templates; conversations that the templates refuse must only not fail here."""
    equal = refused = rejected = 0
    for number in range(count):
        conversation = RandomConversation(source).make()
        for (format, reference), settings in itertools.product(references.items(), VARIANTS):
            try:
                prompt = render(parse_conversation(conversation), format, **settings).text
            except UsageError:
                rejected += 1
                continue
            try:
                expected = reference.render(conversation, settings)
            except (TemplateError, SecurityError, TypeError, AttributeError, ValueError):
                refused += 1
                continue
            if prompt != expected:
                print(
                    f"conversation {number}, {format}, {settings}\n{json.dumps(conversation)}\n{expected!r}\n{prompt!r}"
                )
                return 1
            equal += 1
    print(f"{count} conversations: {equal} prompts equal, {refused} refused by the templates, {rejected} rejected here")
    return 0


class RandomConversation:
    """Makes conversations that look for trouble: odd keys, odd types, tags in texts, answers without calls."""

    WORDS = (
        *(
            "",
            " ",
            "a",
            "B",
            "é",
            "ß",
            "İ",
            "ǅ",
            "\n",
            " x ",
            "\u2003y\u00a0",
            "日本",
            "key-1",
            "key.2",
            "Key",
            "key",
            "\x1f",
        ),
        *(
            "description",
            "type",
            "properties",
            "required",
            "nullable",
            "items",
            "enum",
            "title",
            "additionalProperties",
        ),
        *(
            "<|channel>",
            "<channel|>",
            "<turn|>",
            '<|"|>',
            "<|channel>thought\nx\n<channel|>y",
            "{",
            "}",
            "'",
            '"',
            "\\",
        ),
    )
    TYPES = ("string", "STRING", "array", "object", "integer", "number", "boolean", "null", "", "any")
    ROLES = ("user", "user", "assistant", "assistant", "assistant", "tool", "tool", "system", "developer")

    def __init__(self, source: random.Random) -> None:
        self._random = source

    def make(self) -> Wire:
        """One conversation."""
        roles = [self._random.choice(self.ROLES) for _ in range(self._random.randrange(9))]
        if self._chance(0.3):
            roles.insert(0, self._random.choice(("system", "developer")))
        conversation: Wire = {"messages": [self._message(role) for role in roles]}
        if self._chance(0.5):
            conversation["tools"] = [self._tool() for _ in range(self._random.randrange(3))]
        return conversation

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def _text(self) -> str:
        return "".join(self._random.choice(self.WORDS) for _ in range(self._random.randrange(4)))

    def _message(self, role: str) -> Wire:
        message: Wire = {"role": role}
        if self._chance(0.9):
            message["content"] = self._random.choice((None, self._text(), self._text(), self._parts()))
        for key in ("reasoning", "reasoning_content"):
            if self._chance(0.2):
                message[key] = self._random.choice((None, self._text()))
        if (role == "assistant" and self._chance(0.6)) or self._chance(0.05):
            message["tool_calls"] = [self._call() for _ in range(self._random.randrange(3))]
        if self._chance(0.1):
            message["tool_responses"] = [
                {"name": self._text(), "response": self._value(3)} for _ in range(self._random.randrange(3))
            ]
        if role == "tool":
            message |= dict(self._optional("tool_call_id", self._identifier) | self._optional("name", self._text))
        return message

    def _optional(self, key: str, make: Callable[[], Any]) -> Wire:
        return {key: make()} if self._chance(0.6) else {}

    def _identifier(self) -> str:
        return f"call_{self._random.randrange(3)}"

    def _parts(self) -> list[Wire]:
        kinds: tuple[Wire, ...] = (
            {"type": "text", "text": self._text()},
            {"type": "text", "text": self._text()},
            {"type": "image_url", "image_url": {"url": "data:,"}},
            {"type": "image", "image": "a.png"},
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
            {"type": "audio", "audio": "a.wav"},
            {"type": "video", "video": "a.mp4"},
        )
        return [self._random.choice(kinds) for _ in range(self._random.randrange(4))]

    def _call(self) -> Wire:
        arguments = self._mapping(3) if self._chance(0.9) else None
        return self._optional("id", self._identifier) | {
            "type": "function",
            "function": {"name": self._text(), "arguments": arguments},
        }

    def _mapping(self, depth: int) -> Wire:
        return {self._text(): self._value(depth - 1) for _ in range(self._random.randrange(4))}

    def _value(self, depth: int) -> Any:
        if depth > 0 and self._chance(0.5):
            if self._chance(0.5):
                return self._mapping(depth)
            return [self._value(depth - 1) for _ in range(self._random.randrange(4))]
        floats = (0.0, -0.0, 1.5, 1e16, 1e-7, 1e300, float("inf"), float("nan"), 123456789.123)
        return self._random.choice((None, True, False, 0, -7, 10**20, self._random.choice(floats), self._text()))

    def _tool(self) -> Wire:
        function: Wire = {"name": self._text()} | self._optional("description", self._text)
        if self._chance(0.8):
            function["parameters"] = self._schema(4, whole=True)
        if self._chance(0.2):
            function["response"] = self._schema(1, whole=True)
        return {"type": "function", "function": function}

    def _schema(self, depth: int, *, whole: bool = False) -> Any:
        if not whole and self._chance(0.1):
            return self._value(2)
        schema: Wire = {}
        for key, probability, make in self._schema_members(depth):
            if self._chance(probability):
                schema[key] = self._value(2) if self._chance(0.07) else make()
        return schema

    def _schema_members(self, depth: int) -> Iterator[tuple[str, float, Callable[[], Any]]]:
        yield "type", 0.85, lambda: "object" if depth > 1 and self._chance(0.4) else self._random.choice(self.TYPES)
        yield "description", 0.5, self._text
        yield "enum", 0.3, lambda: [self._value(1) for _ in range(2)]
        yield "nullable", 0.2, lambda: self._random.choice((True, False))
        yield "required", 0.4, lambda: [self._text() for _ in range(self._random.randrange(3))]
        yield self._text(), 0.2, lambda: self._value(2)
        if depth > 0:
            yield "properties", 0.6, lambda: {self._text(): self._schema(depth - 1) for _ in range(3)}
            yield "items", 0.4, lambda: self._schema(depth - 1)


if __name__ == "__main__":
    sys.exit(main())
