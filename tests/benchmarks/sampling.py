"""Time of one draw over a Gemma 4 vocabulary, beside llama_sampler_sample with llama.cpp's own chain.

    python -m scripts.shapes e2b Q4_K_M e2b.gguf --fill random
    python -m tests.benchmarks.sampling e2b.gguf [--draws 300]

One token is decoded; then its logits are replaced by rows that are normal of standard deviation 6, with one token 4
above all others, which is about as sure as a model is. Grammars are compared with llama.cpp's grammar sampler over the
whole vocabulary. Medians and minima of one draw, in milliseconds.
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
from g4run.engine.sampling.grammar import Grammar
from g4run.engine.sampling.pieces import index_first_bytes

from g4run.engine.llama.api import Batch, Context, Model
from g4run.engine.parameters import GenerationParameters, LoadParameters, SamplingParameters
from g4run.engine.sampling.logprobs import LogProbabilities
from g4run.engine.sampling.sampler import Sampler
from g4run.engine.sampling.token_data import TokenDataArray
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
TEXT = r"""root ::= "{" ws "\"name\"" ws ":" ws string "," ws "\"age\"" ws ":" ws [0-9]{1,3} ws "}"
string ::= "\"" [^"\\\x00-\x1F]* "\""
ws ::= [ \n]{0,8}
"""
PLACES = (("at its beginning", ""), ("within a string", '{"name": "a'), ("after a key", '{"name"'))


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
        sampler = Sampler(GenerationParameters(sampling=sampling), vocabulary.pointer, prompt=prompt)
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
    started = time.perf_counter()
    index_first_bytes(vocabulary.pointer, vocabulary.size)
    sys.stdout.write(f"first bytes of all tokens, once: {1e3 * (time.perf_counter() - started):.1f} ms\n")
    for place, text in PLACES:
        grammar = Grammar(TEXT, vocabulary.pointer)
        for token in vocabulary.tokens(text):
            grammar.accept(token)
        one = _timed(partial(_test_one, grammar), rows, draws)
        again = _timed(partial(_draw_again, grammar), rows, draws)
        _print(f"grammar {place}: one token", one, None)
        _print(f"grammar {place}: after a rejection", again, _timed(partial(_test_all, grammar), rows, 5))
        grammar.close()


def _draw(sampler: Sampler, context: Context, _row: Row) -> object:
    return sampler.draw(context, 0)


def _sample(chain: LlamaChain, context: Context, _row: Row) -> object:
    return chain.sample(context.handle, 0)


def _test_one(grammar: Grammar, _row: Row) -> object:
    return grammar.permits(100)


def _draw_again(grammar: Grammar, row: Row) -> object:
    return grammar.permitted(row, 64)


def _test_all(grammar: Grammar, row: Row) -> object:
    """What llama.cpp's grammar sampler does in front of a chain."""
    return TokenDataArray().passing(grammar._handle, np.arange(row.shape[0]))


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
