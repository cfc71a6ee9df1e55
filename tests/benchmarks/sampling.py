"""Time of one draw over a Gemma 4 vocabulary, beside llama_sampler_sample with llama.cpp's own chain.

    python -m scripts.shapes e2b Q4_K_M e2b.gguf --fill random
    python -m tests.benchmarks.sampling e2b.gguf [--draws 300]

One token is decoded; then its logits are replaced by rows that are normal of standard deviation 6, with one token 4
above all others, which is about as sure as a model is. Medians and minima of one draw, in milliseconds; of a grammar
what it adds to a draw: the check of a permitted token, and a second draw after a rejected one.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from g4run.chat.structured_output.json_schema import compile_json_schema
from g4run.engine.grammar_check import await_grammar
from g4run.engine.llama.api import Batch, Context, Model
from g4run.engine.llama.vocabulary import piece_of
from g4run.engine.parameters import GenerationParameters, LoadParameters, SamplingParameters
from g4run.engine.sampling.constraint import Constraint
from g4run.engine.sampling.draw import SamplerChain
from g4run.engine.sampling.logprobs import LogProbabilities
from g4run.engine.sampling.sampler import Sampler
from tests.benchmarks.structured import SCHEMA
from tests.engine.sampling.sampler_chain import LlamaChain, LoadedVocabulary, silence

Row: TypeAlias = npt.NDArray[np.float32]

GOOGLE = SamplingParameters(seed=1)
SETTINGS = {
    "greedy": replace(GOOGLE, temperature=0),
    "Google's: top-k 64, top-p 0.95": GOOGLE,
    "the same and penalties over 64": replace(GOOGLE, repeat_penalty=1.1, frequency_penalty=0.1),
    "the same and DRY over 2,000": replace(GOOGLE, dry_multiplier=0.8),
    "top-p 0.95 alone": replace(GOOGLE, top_k=0),
    "min-p 0.05 alone": replace(GOOGLE, top_k=0, top_p=1, min_p=0.05),
    "nothing but temperature": replace(GOOGLE, top_k=0, top_p=1),
}
PLACES = (("at its beginning", "", "{"), ("within a string", '{"name": "a', "b"), ("after a key", '{"name"', ":"))
WRONG = 0  # <pad>, which no grammar permits


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--draws", type=int, default=300)
    given = parser.parse_args()
    silence()
    parameters = LoadParameters(os.fsencode(given.model), context_length=256, threads=1, gpu_layers=0)
    model = Model(parameters, lambda _: None)
    context = Context(model, parameters)
    _decode_one(context)
    vocabulary = LoadedVocabulary(given.model)
    rows = _rows(vocabulary.size)
    _measure_draws(context, vocabulary, rows, given.draws)
    _print("log-probability and 20 alternatives", _timed(_logprobs, rows, given.draws), None)
    _measure_grammar(vocabulary, rows, given.draws)


def _decode_one(context: Context) -> None:
    batch = Batch(1, 1)
    batch.append(0, 0, [2], True)
    if context.decode(batch) != 0:
        raise RuntimeError("llama.cpp could not decode")


def _measure_draws(context: Context, vocabulary: LoadedVocabulary, rows: list[Row], draws: int) -> None:
    prompt = [int(token) for token in np.random.default_rng(4).integers(0, 2000, 2000)]
    logits = context.logits(0)
    for name, sampling in SETTINGS.items():
        sampler = Sampler(GenerationParameters(sampling=sampling), vocabulary.table, prompt=prompt)
        chain = LlamaChain(sampling, vocabulary)
        chain.accept(prompt)
        ours, theirs = [], []
        for number in range(draws):
            logits[:] = rows[number % len(rows)]
            ours += _timed(partial(_draw, sampler, context), rows, 1)
            logits[:] = rows[number % len(rows)]
            theirs += _timed(partial(_sample, chain, context), rows, 1)
        _print(name, ours, theirs)
        sampler.close()
        chain.close()


def _measure_grammar(vocabulary: LoadedVocabulary, rows: list[Row], draws: int) -> None:
    grammar, piece = compile_json_schema(SCHEMA), partial(piece_of, vocabulary.pointer)
    for number in range(2):
        started = time.perf_counter()
        await_grammar(vocabulary.table.compile(grammar))
        what = "a grammar and the token table" if number == 0 else "a grammar"
        sys.stdout.write(f"{what}: {1e3 * (time.perf_counter() - started):.1f} ms\n")
    chain = SamplerChain(GOOGLE)
    for place, text, next_token in PLACES:
        constraint = Constraint(grammar, vocabulary.table, piece)
        for token in vocabulary.tokens(text):
            constraint.draw(chain, rows[0], token, 400)
            constraint.accept(token)
        (right,) = vocabulary.tokens(next_token)
        kept = _timed(partial(_draw_under, constraint, chain, right), rows, draws)
        again = _timed(partial(_draw_under, constraint, chain, WRONG), rows, draws)
        _print(f"grammar {place}: a permitted token", kept, None)
        _print(f"grammar {place}: after a rejection", again, None)
    chain.close()


def _draw(sampler: Sampler, context: Context, _row: Row) -> object:
    return sampler.draw_from(context.logits(0))


def _sample(chain: LlamaChain, context: Context, _row: Row) -> object:
    return chain.sample(context.handle, 0)


def _draw_under(constraint: Constraint, chain: SamplerChain, drawn: int, row: Row) -> object:
    return constraint.draw(chain, row, drawn, 400)


def _rows(size: int) -> list[Row]:
    random = np.random.default_rng(1)
    rows = [random.normal(0, 6, size).astype(np.float32) for _ in range(8)]
    for number, row in enumerate(rows):
        row[1000 + number] = row.max() + 4
    return rows


def _logprobs(row: Row) -> object:
    probabilities = LogProbabilities(row)
    return probabilities.of(5), probabilities.likeliest(20)


def _timed(action: Callable[[Row], object], rows: list[Row], draws: int) -> list[float]:
    times = []
    for number in range(draws):
        started = time.perf_counter()
        action(rows[number % len(rows)])
        times.append(time.perf_counter() - started)
    return times


def _print(name: str, ours: list[float], theirs: list[float] | None) -> None:
    beside = "" if theirs is None else f"   llama.cpp {_shown(theirs)}"
    sys.stdout.write(f"{name:<45} {_shown(ours)}{beside}\n")
    sys.stdout.flush()


def _shown(times: list[float]) -> str:
    return f"{1e3 * statistics.median(times):8.3f} (min {1e3 * min(times):.3f})"


if __name__ == "__main__":
    main()
