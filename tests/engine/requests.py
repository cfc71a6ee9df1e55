"""Requests to the engine of the built-in model."""

import os
from pathlib import Path

from g4run.engine.client import Engine
from g4run.engine.parameters import GenerationParameters, SamplingParameters
from g4run.engine.protocol import Finished, Sampled
from tests.fakes.library import resolve

GREEDY = SamplingParameters(temperature=0)
DEMO = resolve("demo").path
DEMO_PATH = os.fsencode(DEMO)
DRAFTER = Path(__file__).parents[1] / "data" / "demo-drafter.gguf"
ENDLESS = SamplingParameters(temperature=1e6, top_k=0, top_p=1, seed=8)  # uniform draws: no end token within 500


def generate(engine: Engine, tokens: list[int], parameters: GenerationParameters) -> tuple[list[Sampled], Finished]:
    generation = engine.generate(tokens, parameters)
    sampled = list(generation)
    assert generation.finished is not None
    return sampled, generation.finished


def tokens_of(sampled: list[Sampled]) -> list[int]:
    return [each.token for each in sampled]
