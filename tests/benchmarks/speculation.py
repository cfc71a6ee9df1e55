"""What drafting brings and costs, on one file: the same answers with and without it, in alternating pairs.

    python -m scripts.shapes e2b Q4_K_M e2b.gguf --fill random
    python -m tests.benchmarks.speculation e2b.gguf [--drafter FILE] [--pairs 3] [--tokens 96] [--threads 2]

`repeating` is a greedy answer: random weights soon say the same again and again, so that nearly every guess is right,
which is the most that drafting can bring. `unforeseeable` is drawn at temperature 1, where random weights make nearly
every guess wrong: what remains is the cost of finding that out. Real answers lie between.

llama.cpp rounds differently where it computes several tokens at once. Random weights amplify that and give many tokens
nearly the same logit, so that two greedy answers part where such a tie falls otherwise; it is printed where they do.
"""

import argparse
import os
import random
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from g4run.engine.client import Engine
from g4run.engine.parameters import GenerationParameters, LoadParameters, SamplingParameters

_PROMPT_TOKENS = 64
_KINDS = {"repeating": SamplingParameters(temperature=0), "unforeseeable": SamplingParameters(seed=7, top_k=0, top_p=1)}


@dataclass(frozen=True, slots=True)
class Measured:
    """One answer: its tokens, how many a second, and of those that were guessed how many were right."""

    tokens: list[int]
    speed: float
    drafted: int
    accepted: int


def main() -> None:
    """Measure what the command line asks for, and print every pair and the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--drafter", type=Path)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=96)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    parameters = LoadParameters(
        os.fsencode(given.model),
        4096,
        given.threads,
        gpu_layers=0,
        drafter_path=None if given.drafter is None else os.fsencode(given.drafter),
    )
    with tempfile.TemporaryDirectory() as logs:
        engine = Engine(parameters, Path(logs))
        engine.load()
        for kind, sampling in _KINDS.items():
            compare(engine, kind, sampling, given.pairs, given.tokens)
        engine.close()


def compare(engine: Engine, kind: str, sampling: SamplingParameters, pairs: int, tokens: int) -> None:
    """Tokens per second with and without drafting."""
    ratios = []
    for number in range(pairs + 1):
        prompt = random.Random(number).choices(range(1000), k=_PROMPT_TOKENS)
        order = (False, True) if number % 2 else (True, False)
        sides = {speculates: _answer(engine, prompt, sampling, tokens, speculates) for speculates in order}
        drafting, plain = sides[True], sides[False]
        if number:  # the first pair warms up
            ratios.append(drafting.speed / plain.speed)
        sys.stdout.write(
            f"{kind}, {'pair ' + str(number) if number else 'warm-up'}: {drafting.speed:.2f} with drafts "
            f"({drafting.accepted} of {drafting.drafted} right), {plain.speed:.2f} tokens/s without = "
            f"{drafting.speed / plain.speed:.3f}; {_agreement(drafting.tokens, plain.tokens)}\n"
        )
        sys.stdout.flush()
    sys.stdout.write(f"{kind}: median ratio {statistics.median(ratios):.3f}\n")


def _agreement(drafting: list[int], plain: list[int]) -> str:
    places = (place for place, pair in enumerate(zip(drafting, plain, strict=False)) if pair[0] != pair[1])
    parted = next(places, None)
    return "the same tokens" if parted is None else f"other tokens from the {parted + 1}th on"


def _answer(engine: Engine, prompt: list[int], sampling: SamplingParameters, tokens: int, speculates: bool) -> Measured:
    parameters = GenerationParameters(max_tokens=tokens, sampling=sampling, speculates=speculates)
    generation = engine.generate(prompt, parameters)
    drawn = [sampled.token for sampled in generation]
    finished = generation.finished
    assert finished is not None
    return Measured(
        tokens=drawn,
        speed=(finished.generated_tokens - 1) / finished.generation_seconds,
        drafted=finished.drafted_tokens,
        accepted=finished.accepted_tokens,
    )


if __name__ == "__main__":
    main()
