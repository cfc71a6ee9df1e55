"""Output held to JSON schemas: how fast beside free output, and whether all of it parses and validates.

    python -m tests.benchmarks.structured speed e2b.gguf [--pairs 3] [--tokens 48]
    python -m tests.benchmarks.structured schemas [--count 200]

`speed` runs any file; weights that are random reject nearly every token, which is the worst case. `schemas` draws
schemas at random and lets the built-in model answer each, at temperature 1; a failure is printed whole. Where a schema
lets strings or lists grow without bound, so small a model may never come to an end by itself.
"""

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
from pathlib import Path

import jsonschema
from hypothesis import HealthCheck, Phase, given, seed, settings

from g4run.chat.messages import JsonValue
from g4run.chat.structured_output.json_schema import compile_json_schema
from g4run.chat.tokens import CONTROL_TEXTS
from g4run.engine.client import Engine
from g4run.engine.llama.vocabulary import Vocabulary
from g4run.engine.parameters import GenerationParameters, LoadParameters, SamplingParameters
from g4run.errors import UsageError
from g4run.models.library import DEMO_PATH
from tests.chat.structured_output.schemas import schemas

THREADS = 2
SCHEMA: JsonValue = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "tags": {"type": "array", "items": {"enum": ["red", "green", "blue"]}},
        "address": {"type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}},
    },
    "required": ["name", "age", "tags", "address"],
}


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("speed", "schemas"))
    parser.add_argument("model", type=Path, nargs="?", default=DEMO_PATH)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as logs:
        threads = 1 if arguments.model == DEMO_PATH else THREADS
        engine = Engine(LoadParameters(os.fsencode(arguments.model), 4096, threads, gpu_layers=0), Path(logs))
        engine.load()
        if arguments.what == "speed":
            compare_speed(engine, arguments.pairs, arguments.tokens)
        else:
            check_schemas(engine, arguments.model, _draw_schemas(arguments.count, arguments.seed))
        engine.close()


def compare_speed(engine: Engine, pairs: int, tokens: int) -> None:
    """Tokens per second with and without a schema, in alternating pairs."""
    grammar = compile_json_schema(SCHEMA)
    ratios = []
    for number in range(pairs + 1):
        order = (None, grammar) if number % 2 else (grammar, None)
        speeds = {held is not None: _speed(engine, held, tokens) for held in order}
        if number:  # the first pair warms up
            ratios.append(speeds[True] / speeds[False])
            sys.stdout.write(f"pair {number}: schema {speeds[True]:.2f}, free {speeds[False]:.2f} tokens/s\n")
            sys.stdout.flush()
    sys.stdout.write(f"median ratio: {statistics.median(ratios):.3f}\n")


def _speed(engine: Engine, grammar: str | None, tokens: int) -> float:
    prompt = random.choices(range(1000), k=64)
    parameters = GenerationParameters(
        max_tokens=tokens, sampling=SamplingParameters(seed=7), grammar=grammar, speculates=False
    )
    generation = engine.generate(prompt, parameters)
    for _ in generation:
        pass
    finished = generation.finished
    assert finished is not None
    return (finished.generated_tokens - 1) / finished.generation_seconds


def check_schemas(engine: Engine, model: Path, drawn: list[JsonValue]) -> None:
    """Let the model answer each schema; every answer must parse and validate."""
    vocabulary = Vocabulary(model, CONTROL_TEXTS)
    reasons: dict[str, int] = {}
    failures = 0
    for schema in drawn:
        text, reason = _answer(engine, vocabulary, compile_json_schema(schema))
        reasons[reason] = reasons.get(reason, 0) + 1
        try:
            jsonschema.validate(json.loads(text), schema)
        except (ValueError, jsonschema.ValidationError) as error:
            failures += 1
            sys.stdout.write(f"{reason}: {json.dumps(schema)}\n  {text!r}\n  {str(error).splitlines()[0]}\n")
    sys.stdout.write(f"{len(drawn) - failures} of {len(drawn)} outputs parse and validate; they ended by {reasons}\n")


def _draw_schemas(count: int, number: int) -> list[JsonValue]:
    """So many schemas that can be held, the same for the same number."""
    found: list[JsonValue] = []

    @seed(number)
    @settings(max_examples=20 * count, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(schemas())
    def collect(schema: JsonValue) -> None:
        if len(found) < count:
            try:
                compile_json_schema(schema)
            except UsageError:  # a contradiction
                return
            found.append(schema)

    collect()
    return found


def _answer(engine: Engine, vocabulary: Vocabulary, grammar: str) -> tuple[str, str]:
    prompt = vocabulary.tokenize("Give me data.")
    generation = engine.generate(prompt, GenerationParameters(max_tokens=3000, grammar=grammar))
    text = b"".join(
        vocabulary.piece(sampled.token) for sampled in generation if sampled.token not in vocabulary.control_tokens
    )
    assert generation.finished is not None
    return text.decode("utf-8", "replace"), generation.finished.reason


if __name__ == "__main__":
    main()
