"""The options that `run` and `chat` share, declared once."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import wraps
from typing import Annotated

import typer

from g4run.cli.output import Task
from g4run.engine.parameters import SamplingParameters

_DEFAULTS = SamplingParameters()

System = Annotated[str | None, typer.Option("--system", metavar="TEXT", help="The system message.")]


@dataclass(frozen=True, slots=True)
class SharedOptions:
    """The options as typed, in the order in which --help shows them; None is what was left out."""

    temperature: Annotated[
        float | None,
        typer.Option(metavar="NUMBER", help=f"0 takes the likeliest token; default {_DEFAULTS.temperature}."),
    ] = None
    top_p: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER", help=f"Draw from this share of the likeliest tokens; default {_DEFAULTS.top_p}."
        ),
    ] = None
    top_k: Annotated[
        int | None,
        typer.Option(metavar="COUNT", help=f"Draw from this many tokens, 0 from all; default {_DEFAULTS.top_k}."),
    ] = None
    min_p: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER", help=f"Leave out tokens below this share of the likeliest; default {_DEFAULTS.min_p}."
        ),
    ] = None
    typical_p: Annotated[
        float | None,
        typer.Option(metavar="NUMBER", help="Draw from this share of the locally typical tokens; default 1."),
    ] = None
    xtc_probability: Annotated[
        float | None,
        typer.Option(metavar="NUMBER", help="How often all likely tokens but the last are left out; default 0."),
    ] = None
    repeat_penalty: Annotated[
        float | None,
        typer.Option(metavar="NUMBER", help="Above 1, tokens that were said lately become unlikelier; default 1."),
    ] = None
    presence_penalty: Annotated[
        float | None, typer.Option(metavar="NUMBER", help="Taken off the logits of tokens that were said; default 0.")
    ] = None
    frequency_penalty: Annotated[
        float | None, typer.Option(metavar="NUMBER", help="The same for each time that one was said; default 0.")
    ] = None
    repeat_last_n: Annotated[
        int | None,
        typer.Option(
            metavar="COUNT",
            help=f"The penalties look back on so many tokens, -1 on all; default {_DEFAULTS.repeat_last_n}.",
        ),
    ] = None
    dry_multiplier: Annotated[
        float | None,
        typer.Option(metavar="NUMBER", help="Above 0, tokens that repeat a sequence become unlikelier; default 0."),
    ] = None
    seed: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="The same seed draws the same answer; default random.")
    ] = None
    max_tokens: Annotated[int | None, typer.Option(metavar="COUNT", help="Stop after this many tokens.")] = None
    context_length: Annotated[
        int | None,
        typer.Option("--ctx", metavar="COUNT", help="Context length in tokens; default G4RUN_CONTEXT or 8192."),
    ] = None
    kv: Annotated[
        str | None, typer.Option(metavar="TYPE", help="KV cache of f16, q8_0 or q4_0; default f16 where it fits.")
    ] = None
    gpu_layers: Annotated[
        int | None, typer.Option(metavar="COUNT", help="Layers on the GPU, the head counted; default what fits.")
    ] = None
    cpu_experts: Annotated[
        int | None, typer.Option(metavar="COUNT", help="Layers whose experts stay on the CPU; default as few as fit.")
    ] = None
    force: Annotated[bool, typer.Option("--force", help="Load it also where it does not fit in free memory.")] = False
    stop: Annotated[list[str] | None, typer.Option(metavar="TEXT", help="Stop before this text; repeatable.")] = None
    format: Annotated[
        str | None,
        typer.Option(metavar="json|FILE", help="Answer in JSON: any object, or what the JSON schema in FILE asks for."),
    ] = None
    grammar: Annotated[
        str | None, typer.Option(metavar="FILE", help="Answer by the grammar in FILE, in llama.cpp's notation (GBNF).")
    ] = None
    think: Annotated[bool, typer.Option("--think/--no-think", help="Think before answering.")] = False
    thinking_budget: Annotated[
        int | None, typer.Option(metavar="COUNT", help="With --think: close the thought after this many tokens.")
    ] = None
    hide_thinking: Annotated[bool, typer.Option("--hide-thinking", help="Think, but do not show it.")] = False
    verbose: Annotated[bool, typer.Option("--verbose", help="Print counts and speeds to stderr afterwards.")] = False


def expand_options(command: Callable[..., Task]) -> Callable[..., Task]:
    """Let Typer see an option for each field of SharedOptions where the command has one parameter, named `shared`.

    Typer asks inspect.signature for a command's parameters (typer/utils.py), and that believes `__signature__`.
    """

    @wraps(command)
    def expanded(**given: object) -> Task:
        make: Callable[..., SharedOptions] = SharedOptions
        shared = make(**{field.name: given.pop(field.name) for field in fields(SharedOptions)})
        return command(**given, shared=shared)

    signature = inspect.signature(command)
    expanded.__signature__ = signature.replace(parameters=[*_expand(signature)])  # type: ignore[attr-defined] # PEP 362
    return expanded


def _expand(signature: inspect.Signature) -> Iterator[inspect.Parameter]:
    for parameter in signature.parameters.values():
        if parameter.annotation is not SharedOptions:
            yield parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            continue
        for field in fields(SharedOptions):
            yield inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type
            )
