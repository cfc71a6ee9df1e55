"""Compare the built-in model's greedy answers on devices with the CPU's, both without repacked weights."""

import json
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from g4run.chat.openai_shape import parse_conversation
from g4run.chat.render import PromptFormat, render
from g4run.chat.tokens import CONTROL_TEXTS
from g4run.engine.client import Engine
from g4run.engine.llama.vocabulary import Vocabulary
from g4run.engine.parameters import GenerationParameters, SamplingParameters
from g4run.models.library import Library
from g4run.runtime.answers.prompt import tokenize_prompt
from g4run.runtime.loading import LoadOptions, inspect_for, plan_load
from g4run.settings import read_settings
from scripts.device_proof.servers import servers

PROMPTS = Path(__file__).parents[2] / "tests" / "golden" / "demo_prompts.json"
MAX_TOKENS = 64
_CASES = 20
_WINDOW_PASSED = 700  # tokens: more than the micro-batch and the sliding window together


def prove_tokens(*, is_vulkan: bool) -> int:
    """Print for each placement how many answers equal the CPU's, and what of the prompts was cached."""
    expected, wrong = _answers(LoadOptions(gpu_layers=0)), 0
    for count in (0,) if is_vulkan else (1, 2):
        with servers(count) as addresses:
            for layers in (99, 4, 1):
                found = _answers(LoadOptions(gpu_layers=layers, rpc_servers=addresses))
                equal = sum(one == other for one, other in zip(expected, found, strict=True))
                device = "Vulkan" if is_vulkan else f"{count} servers"
                sys.stdout.write(f"{layers:2} layers on {device}: {equal} of {len(expected)} answers equal\n")
                wrong += len(expected) - equal
    return wrong


def _answers(options: LoadOptions) -> list[tuple[list[int], int]]:
    """Return the tokens of each answer, and how many tokens of its prompt came from the cache.

    Each prompt is asked twice, and one is long enough to slide; then its beginning is asked, from an SWA checkpoint.
    """
    model, settings = Library(read_settings()).resolve("demo"), read_settings()
    planned = plan_load(model, inspect_for(model, settings, options), settings, options).parameters
    with closing(Engine(replace(planned, repack=False), settings.log_directory)) as engine:
        prompts = _prompts()
        long = [token for prompt in prompts for token in prompt][: 2 * _WINDOW_PASSED]
        asked = [*(prompt for prompt in prompts for _ in range(2)), long, long[:_WINDOW_PASSED]]
        return [_ask(engine, tokens) for tokens in asked]


def _ask(engine: Engine, tokens: Sequence[int]) -> tuple[list[int], int]:
    greedy = GenerationParameters(MAX_TOKENS, replace(SamplingParameters(), temperature=0))
    generation = engine.generate(list(tokens), greedy, [_WINDOW_PASSED])
    answer = [sampled.token for sampled in generation]
    assert generation.finished is not None
    return answer, generation.finished.cached_tokens


def _prompts() -> list[list[int]]:
    with closing(Vocabulary(Library(read_settings()).resolve("demo").path, CONTROL_TEXTS)) as vocabulary:
        cases = json.loads(PROMPTS.read_bytes())[:_CASES]
        rendered = [
            render(parse_conversation(case), PromptFormat.SMALL, thinking=bool(case["think"])) for case in cases
        ]
        return [list(tokenize_prompt(prompt, vocabulary).tokens) for prompt in rendered]
