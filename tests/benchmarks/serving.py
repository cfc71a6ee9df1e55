"""The engine beside llama-server, on one file, alternating: one stream, several, a conversation, a shared beginning.

    python -m scripts.shapes e2b Q4_K_M e2b.gguf --fill random
    python -m tests.benchmarks.serving single e2b.gguf --tools DIRECTORY [--pairs 3]
    python -m tests.benchmarks.serving parallel e2b.gguf --tools DIRECTORY [--streams 4 8]
    python -m tests.benchmarks.serving conversation e2b.gguf --tools DIRECTORY [--turns 10]
    python -m tests.benchmarks.serving shared e2b.gguf --tools DIRECTORY [--shared-tokens 4000]

DIRECTORY holds llama-server, built from llama-cpp-python's source distribution; it runs with its prompt cache, its
context checkpoints and one unified cache. Prompts are random tokens, decoding is greedy, and drafting is off on both
sides: a model of random weights repeats itself, and drafts would always be right.
"""

import argparse
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from g4run.engine.client import Engine
from g4run.engine.parameters import GenerationParameters, LoadParameters, SamplingParameters
from tests.benchmarks.llama_server import Completed, llama_server

CONTEXT_LENGTH = 16384
THREADS = 2

Complete: TypeAlias = Callable[[list[int], int, Sequence[int]], Completed]
"""A side: prompt, tokens to generate, and the positions where a later prompt may go back to."""


@dataclass(frozen=True, slots=True)
class Sides:
    """Both, loaded."""

    ours: Complete
    theirs: Complete

    def each(self, number: int) -> Iterator[tuple[str, Complete]]:
        """Both by name; who comes first alternates."""
        pair = [("g4run", self.ours), ("llama-server", self.theirs)]
        yield from pair[::-1] if number % 2 else pair


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("single", "parallel", "conversation", "shared"))
    parser.add_argument("model", type=Path)
    parser.add_argument("--tools", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--streams", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--shared-tokens", type=int, default=4000)
    given = parser.parse_args()
    streams = 1 if given.what in ("single", "conversation") else max(given.streams)
    # llama-server keeps what requests share once for each of them, and fails where that is too much.
    context_length = streams * (given.shared_tokens + 64) if given.what == "shared" else CONTEXT_LENGTH
    with both_sides(given.model, given.tools, streams, context_length) as sides:
        if given.what == "single":
            single(sides, given.pairs, given.prompt, given.tokens)
        elif given.what == "parallel":
            for count in given.streams:
                parallel(sides, given.pairs, count, given.tokens)
        elif given.what == "conversation":
            conversation(sides, given.turns, 200)
        else:
            shared(sides, given.shared_tokens, max(given.streams))


@contextmanager
def both_sides(model: Path, tools: Path, streams: int, context_length: int) -> Iterator[Sides]:
    """The engine and the server with the same context, threads and number of sequences."""
    parameters = LoadParameters(
        os.fsencode(model), context_length, threads=THREADS, sequences=streams, micro_batch=512, gpu_layers=0
    )
    with (
        tempfile.TemporaryDirectory() as logs,
        llama_server(
            tools / "llama-server", model, context_length=context_length, threads=THREADS, sequences=streams
        ) as server,
    ):
        engine = Engine(parameters, Path(logs))
        engine.load()

        def ours(tokens: list[int], count: int, boundaries: Sequence[int]) -> Completed:
            return _complete(engine, tokens, count, boundaries)

        def theirs(tokens: list[int], count: int, _boundaries: Sequence[int]) -> Completed:
            return server.stream(tokens, count)

        yield Sides(ours, theirs)
        engine.close()


def _complete(engine: Engine, tokens: list[int], count: int, boundaries: Sequence[int]) -> Completed:
    parameters = GenerationParameters(max_tokens=count, sampling=SamplingParameters(temperature=0), speculates=False)
    started = time.perf_counter()
    generation = engine.generate(tokens, parameters, boundaries)
    drawn: list[int] = []
    first = 0.0
    for sampled in generation:
        first = first or time.perf_counter() - started
        drawn.append(sampled.token)
    finished = generation.finished
    assert finished is not None
    return Completed(
        tokens=drawn,
        first_seconds=first,
        seconds=time.perf_counter() - started,
        evaluated_tokens=finished.evaluated_tokens,
        prompt_seconds=finished.prompt_seconds,
        generation_seconds=finished.generation_seconds,
    )


def single(sides: Sides, pairs: int, prompt_tokens: int, tokens: int) -> None:
    """One stream: decode and prompt speed, and the time to the first token, as ratios within each pair."""
    ratios: list[tuple[float, float, float]] = []
    for number in range(pairs + 1):
        prompt = _random_tokens(prompt_tokens)
        found = {name: complete(prompt, tokens, ()) for name, complete in sides.each(number)}
        ours, theirs = found["g4run"], found["llama-server"]
        ratio = (
            ours.decode_speed / theirs.decode_speed,
            ours.prompt_speed / theirs.prompt_speed,
            ours.first_seconds / theirs.first_seconds,
        )
        if number:  # the first pair warms both up
            ratios.append(ratio)
        _say(
            f"{'pair ' + str(number) if number else 'warm-up'}: decode {ours.decode_speed:.2f} / "
            f"{theirs.decode_speed:.2f} = {ratio[0]:.3f}; prompt {ours.prompt_speed:.1f} / {theirs.prompt_speed:.1f} "
            f"= {ratio[1]:.3f}; first token {ours.first_seconds:.2f} / {theirs.first_seconds:.2f} s = {ratio[2]:.3f}"
        )
    decode, speed, first = (statistics.median(side) for side in zip(*ratios, strict=True))
    _say(f"median ratios: decode {decode:.3f}, prompt {speed:.3f}, time to first token {first:.3f}")


def parallel(sides: Sides, pairs: int, streams: int, tokens: int) -> None:
    """Several at once: tokens per second of all, and the longest time to a first token."""
    ratios: list[tuple[float, float]] = []
    for number in range(pairs):
        prompts = [_random_tokens(128) for _ in range(streams)]
        figures = {}
        for name, complete in sides.each(number):
            started = time.perf_counter()
            ended = _at_once(complete, prompts, tokens)
            wall = time.perf_counter() - started
            total = sum(len(one.tokens) for one in ended)
            figures[name] = total / wall, max(one.first_seconds for one in ended)
        (ours, first), (theirs, their_first) = figures["g4run"], figures["llama-server"]
        ratios.append((ours / theirs, first / their_first))
        _say(
            f"{streams} streams, pair {number + 1}: {ours:.2f} / {theirs:.2f} tokens/s = {ours / theirs:.3f}; worst "
            f"first token {first:.2f} / {their_first:.2f} s = {first / their_first:.3f}"
        )
    speed, worst = (statistics.median(side) for side in zip(*ratios, strict=True))
    _say(f"{streams} streams, median ratios: total {speed:.3f}, worst first token {worst:.3f}")


def conversation(sides: Sides, turns: int, tokens: int) -> None:
    """Turns of 40 new tokens and 200 drawn, of which the first half is a thought that history does not keep."""
    history = {"g4run": _random_tokens(300), "llama-server": []}
    history["llama-server"] = list(history["g4run"])
    sums: dict[str, list[float]] = {"g4run": [], "llama-server": []}
    for turn in range(turns):
        question = _random_tokens(40)
        line = []
        for name, complete in sides.each(turn):
            before = history[name]
            prompt = [*before, *question]
            ended = complete(prompt, tokens, (len(before),))
            history[name] = [*prompt, *ended.tokens[tokens // 2 :]]
            sums[name].append(ended.first_seconds)
            line.append(f"{name} {ended.evaluated_tokens} of {len(prompt)} evaluated, {ended.first_seconds:.2f} s")
        _say(f"turn {turn + 1}: " + "; ".join(sorted(line)))
    ours, theirs = (statistics.median(sums[name][1:]) for name in ("g4run", "llama-server"))
    _say(f"median time to first token from turn 2: {ours:.2f} / {theirs:.2f} s = {ours / theirs:.3f}")


def shared(sides: Sides, shared_tokens: int, streams: int) -> None:
    """Requests that begin alike, all at once: how many tokens are evaluated together, and how long it takes."""
    beginning = _random_tokens(shared_tokens)
    prompts = [[*beginning, *_random_tokens(16)] for _ in range(streams)]
    for name, complete in sides.each(0):
        started = time.perf_counter()
        ended = _at_once(complete, prompts, 8)
        wall = time.perf_counter() - started
        evaluated = sum(one.evaluated_tokens for one in ended)
        _say(
            f"{streams} requests that share {shared_tokens} tokens: {name} evaluated {evaluated} in all, "
            f"worst first token {max(one.first_seconds for one in ended):.1f} s, done after {wall:.1f} s"
        )


def _at_once(complete: Complete, prompts: Sequence[list[int]], tokens: int) -> list[Completed]:
    ended: list[Completed] = []

    def run(prompt: list[int]) -> None:
        ended.append(complete(prompt, tokens, ()))

    threads = [threading.Thread(target=run, args=(prompt,)) for prompt in prompts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(ended) != len(prompts):
        raise RuntimeError("a request failed")
    return ended


def _random_tokens(count: int) -> list[int]:
    return random.choices(range(1000, 200_000), k=count)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
