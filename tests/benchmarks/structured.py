"""Output held to JSON schemas: how fast beside free output, and whether all of it parses and validates.

    python -m tests.benchmarks.structured speed e2b.gguf [--pairs 3] [--tokens 48]
    python -m tests.benchmarks.structured schemas [--count 200] [--bounded]

`speed` runs any file; weights that are random reject nearly every token, which is the worst case. `schemas` draws
schemas at random and lets the built-in model answer each, at temperature 1; a failure is printed whole. Where a schema
lets strings or lists grow without bound so small a model may never come to an end; `--bounded` gives each a bound.
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

from g4run.chat.grammars.json_schema import compile_json_schema
from g4run.chat.messages import JsonValue
from g4run.chat.tokens import CONTROL_TEXTS
from g4run.engine.client import Engine
from g4run.engine.parameters import GenerationParameters, LoadParameters, SamplingParameters
from g4run.engine.text import Vocabulary
from g4run.errors import UsageError
from g4run.models.library import DEMO_PATH
from tests.chat.grammars.schemas import schemas

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
    parser.add_argument("--bounded", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as logs:
        threads = 1 if arguments.model == DEMO_PATH else THREADS
        engine = Engine(LoadParameters(os.fsencode(arguments.model), 4096, threads, gpu_layers=0), Path(logs))
        engine.load()
        if arguments.what == "speed":
            compare_speed(engine, arguments.pairs, arguments.tokens)
        else:
            drawn = _draw_schemas(arguments.count, arguments.seed, is_bounded=arguments.bounded)
            check_schemas(engine, arguments.model, drawn)
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


def _draw_schemas(count: int, number: int, *, is_bounded: bool) -> list[JsonValue]:
    """So many schemas that can be held, the same for the same number."""
    found: list[JsonValue] = []

    @seed(number)
    @settings(max_examples=20 * count, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(schemas())
    def collect(drawn: JsonValue) -> None:
        schema = _bounded(drawn) if is_bounded else drawn
        if len(found) < count:
            try:
                compile_json_schema(schema)
            except UsageError:  # a contradiction
                return
            found.append(schema)

    collect()
    return found


def _bounded(schema: JsonValue) -> JsonValue:
    """The schema with a bound for every string and list that has none, and numbers where anything was allowed."""
    if schema is True or schema == {}:
        return {"type": "integer", "minimum": 0, "maximum": 999}
    if not isinstance(schema, dict):
        return schema
    inner = {key: _bounded_part(key, value) for key, value in schema.items()}
    named = schema.get("type")
    kinds = named if isinstance(named, list) else [named]
    if "string" in kinds and not {"maxLength", "format"} & schema.keys():
        return {**inner, "maxLength": 40 if "pattern" in schema else max(12, _count(schema.get("minLength")))}
    if "array" in kinds:
        return {"maxItems": max(4, _count(schema.get("minItems"))), **inner}
    return {"additionalProperties": False, **inner} if "object" in kinds else inner


def _bounded_part(key: str, value: JsonValue) -> JsonValue:
    if key in ("items", "additionalProperties", "propertyNames"):
        return value if value is False else _bounded(value)
    if key in ("anyOf", "oneOf", "allOf", "prefixItems") and isinstance(value, list):
        return [_bounded(each) for each in value]
    if key in ("properties", "patternProperties", "$defs") and isinstance(value, dict):
        return {name: _bounded(each) for name, each in value.items()}
    return value


def _count(value: JsonValue) -> int:
    return value if isinstance(value, int) else 0


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
