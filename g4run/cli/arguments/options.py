"""The options that `run` and `chat` share, declared once."""

from dataclasses import dataclass
from typing import Annotated

import typer

from g4run.cli.arguments.checks import parse_context
from g4run.engine.parameters import SamplingParameters

_DEFAULTS = SamplingParameters()

System = Annotated[str | None, typer.Option("--system", metavar="TEXT", help="System message for the model.")]


def _option(metavar: str, help: str) -> object:
    return typer.Option(metavar=metavar, help=help)


Rpc = Annotated[
    str | None, typer.Option("--rpc", metavar="HOST:PORT,...", help="Use the devices of these RPC servers as GPUs.")
]


@dataclass(frozen=True, slots=True)
class SharedOptions:
    """The options as typed, in the order of --help; None if omitted."""

    temperature: Annotated[
        float | None,
        _option(
            "NUMBER", f"Sampling temperature; 0 always takes the most likely token. [default: {_DEFAULTS.temperature}]"
        ),
    ] = None
    top_p: Annotated[
        float | None,
        _option(
            "NUMBER",
            f"Sample from the most likely tokens that add up to this probability. [default: {_DEFAULTS.top_p}]",
        ),
    ] = None
    top_k: Annotated[
        int | None,
        _option("COUNT", f"Sample from this many of the most likely tokens; 0 for all. [default: {_DEFAULTS.top_k}]"),
    ] = None
    min_p: Annotated[
        float | None,
        _option(
            "NUMBER", f"Drop tokens below this fraction of the top token's probability. [default: {_DEFAULTS.min_p}]"
        ),
    ] = None
    typical_p: Annotated[
        float | None,
        _option("NUMBER", "Locally typical sampling, keeping this much probability; 1 is off. [default: 1]"),
    ] = None
    xtc_probability: Annotated[
        float | None, _option("NUMBER", "Chance at each token to exclude the top choices (XTC). [default: 0]")
    ] = None
    repeat_penalty: Annotated[
        float | None, _option("NUMBER", "Penalty factor for tokens already used; 1 is off. [default: 1]")
    ] = None
    presence_penalty: Annotated[
        float | None, _option("NUMBER", "Penalty for tokens already used, regardless of count. [default: 0]")
    ] = None
    frequency_penalty: Annotated[
        float | None, _option("NUMBER", "Penalty for tokens already used, for each use. [default: 0]")
    ] = None
    repeat_last_n: Annotated[
        int | None,
        _option(
            "COUNT", f"How many recent tokens the penalties consider; -1 for all. [default: {_DEFAULTS.repeat_last_n}]"
        ),
    ] = None
    dry_multiplier: Annotated[
        float | None, _option("NUMBER", "Strength of the penalty for repeating whole sequences (DRY). [default: 0]")
    ] = None
    seed: Annotated[
        int | None, _option("NUMBER", "Random seed; the same seed gives the same answer. [default: random]")
    ] = None
    max_tokens: Annotated[int | None, _option("COUNT", "Generate at most this many tokens, thinking included.")] = None
    context_length: Annotated[
        int | None,
        typer.Option(
            "--ctx",
            metavar="COUNT",
            parser=parse_context,
            help="Context length in tokens, such as 32k. [default: G4RUN_CONTEXT, or 8192]",
        ),
    ] = None
    kv: Annotated[
        str | None, _option("TYPE", "Type of the KV cache: f16, q8_0, or q4_0. [default: f16 if it fits]")
    ] = None
    gpu_layers: Annotated[
        int | None, _option("COUNT", "Layers to offload to the GPU, output layer included. [default: all that fit]")
    ] = None
    cpu_experts: Annotated[
        int | None, _option("COUNT", "Layers whose experts stay on the CPU. [default: as few as possible]")
    ] = None
    rpc: Rpc = None
    margin: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Leave this much memory free on each device, such as 1GB or 5%."),
    ] = None
    force: Annotated[bool, typer.Option("--force", help="Load the model even if it does not fit in free memory.")] = (
        False
    )
    stop: Annotated[list[str] | None, _option("TEXT", "Stop generating before this text; can be repeated.")] = None
    format: Annotated[
        str | None, _option("json|FILE", "Answer with JSON: any object, or JSON that is valid for the schema in FILE.")
    ] = None
    grammar: Annotated[
        str | None, _option("FILE", "Answer according to the grammar in FILE: Lark if it ends in .lark, else GBNF.")
    ] = None
    regex: Annotated[str | None, _option("PATTERN", "Answer with text that matches this regular expression.")] = None
    think: Annotated[bool, typer.Option("--think/--no-think", help="Let the model think before it answers.")] = False
    thinking_budget: Annotated[
        int | None, _option("COUNT", "With --think, end the thinking after this many tokens.")
    ] = None
    hide_thinking: Annotated[bool, typer.Option("--hide-thinking", help="Do not print the thinking.")] = False
    verbose: Annotated[bool, typer.Option("--verbose", help="Print token counts and speeds to stderr.")] = False
