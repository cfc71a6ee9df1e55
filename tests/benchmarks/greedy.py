"""Does g4run decode what llama-server decodes? Same prompt tokens, temperature 0, the built-in model.

    python -m tests.benchmarks.greedy PATH/llama-server

Prints each prompt whose text differs, and how many are equal.
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from g4run.chat.openai_shape import parse_conversation
from g4run.chat.render import PromptFormat, render
from g4run.chat.tokens import CONTROL_TEXTS
from g4run.engine.client import Engine
from g4run.engine.llama.vocabulary import Vocabulary
from g4run.engine.parameters import GenerationParameters, SamplingParameters
from g4run.runtime.answers.prompt import tokenize_prompt
from g4run.runtime.loading import LoadOptions, inspect_for, plan_load
from g4run.settings import read_settings
from tests.benchmarks.llama_server import llama_server
from tests.fakes.library import resolve

PROMPTS = Path(__file__).parents[1] / "golden" / "demo_prompts.json"
MAX_TOKENS = 200


def main() -> None:
    """Compare every golden prompt of the built-in model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server", type=Path, help="llama-server, built from llama-cpp-python's source distribution")
    arguments = parser.parse_args()
    settings = read_settings()
    model = resolve("demo")
    parameters = plan_load(model, inspect_for(model, settings, LoadOptions()), settings, LoadOptions()).parameters
    engine, vocabulary = Engine(parameters, settings.log_directory), Vocabulary(resolve("demo").path, CONTROL_TEXTS)
    greedy = GenerationParameters(MAX_TOKENS, dataclasses.replace(SamplingParameters(), temperature=0))
    equal, prompts = 0, _prompts(vocabulary)
    with llama_server(
        arguments.server,
        resolve("demo").path,
        context_length=parameters.context_length,
        threads=parameters.threads,
    ) as server:
        for name, tokens in prompts:
            ours = [sampled.token for sampled in engine.generate(tokens, greedy)]
            theirs = server.complete(tokens, MAX_TOKENS)[1]
            equal += ours == theirs
            if ours != theirs:
                sys.stdout.write(f"{name}\n  g4run        {ours}\n  llama-server {theirs}\n")
    engine.close()
    sys.stdout.write(f"{equal} of {len(prompts)} prompts give the same tokens\n")


def _prompts(vocabulary: Vocabulary) -> list[tuple[str, list[int]]]:
    found = []
    for number, case in enumerate(json.loads(PROMPTS.read_text(encoding="utf-8"))):
        prompt = render(parse_conversation(case), PromptFormat.SMALL, thinking=bool(case.get("think")))
        found.append((f"prompt {number}", list(tokenize_prompt(prompt, vocabulary).tokens)))
    return found


if __name__ == "__main__":
    main()
