"""Many short requests to one engine, with random cancels and kills of its worker; its memory must stay flat.

    python -m tests.benchmarks.soak [--requests 10000] [--kills 10] [--model FILE] [--sequences 8]

Every request must end. Half of them are made to say a token of their own over and over, so that another's would be
seen; the others' greedy answers must be what their prompts gave alone, compared up to the first token that was a near
thing, where the order of floating-point sums may decide. The kills come within the first fifth; memory is read at
the end of each fifth, and should level off.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

from g4run.chat.messages import Conversation, Message, Role
from g4run.chat.render import PromptFormat, render
from g4run.chat.tokens import CONTROL_TEXTS
from g4run.engine.client import Engine
from g4run.engine.llama.vocabulary import Vocabulary
from g4run.engine.parameters import GenerationParameters, LoadParameters, SamplingParameters
from g4run.errors import WorkerDied
from g4run.runtime.answers.prompt import tokenize_prompt
from tests.fakes.library import resolve

_TOKENS = 24
_SYSTEM = "You keep a lighthouse at the end of the world, and you answer in few words."
_QUESTIONS = tuple(
    question.format(thing)
    for thing in ("the sea", "a ship", "the sun", "a cat", "bread", "winter", "a garden", "music")
    for question in (
        "What is {}?",
        "Tell me a story about {}.",
        "Hello! Do you like {}?",
        "Write a poem on {}, please.",
    )
)
_FIRST_PART = 0.2
_LEAST_MARGIN = 0.2  # twice the tolerance of tests/engine/kv_cache/test_reuse.py


@dataclass(slots=True)
class Tally:
    """What became of the requests: how many ended for which reason, and how many did not say what they should."""

    reasons: Counter[str] = field(default_factory=Counter)
    wrong: int = 0
    strangers: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome; memory is the worker's resident set in bytes, at the end of each fifth."""

    reasons: dict[str, int]
    wrong: int
    strangers: int
    unended: int
    memory: tuple[int, ...]
    seconds: float


def make_prompts() -> list[list[int]]:
    """Chat prompts of the built-in model's vocabulary; half of them share a beginning."""
    vocabulary = Vocabulary(resolve("demo").path, CONTROL_TEXTS)
    prompts: list[list[int]] = []
    for number, question in enumerate(_QUESTIONS):
        messages = (Message.of(Role.SYSTEM, _SYSTEM),) if number % 2 else ()
        conversation = Conversation((*messages, Message.of(Role.USER, question)))
        prompt = render(conversation, PromptFormat.SMALL, thinking=False)
        prompts.append(list(tokenize_prompt(prompt, vocabulary).tokens))
    vocabulary.close()
    return prompts


def soak(engine: Engine, requests: int, kills: int, threads: int, seed: int = 1) -> Result:
    """Send the requests from several threads, each waiting for its own; kills only in the first fifth."""
    prompts = make_prompts()
    parameters = GenerationParameters(_TOKENS, SamplingParameters(temperature=0), speculates=False)
    expected = [_certain_tokens(engine, prompt) for prompt in prompts]
    tally, started = Tally(), time.monotonic()

    def send(number: int) -> None:
        chance = random.Random(seed * 1_000_003 + number)
        prompt = chance.randrange(len(prompts))
        cancel_after = chance.randrange(_TOKENS) if chance.random() < 0.2 else None
        wanted = _Wanted(prompts[prompt], parameters, expected[prompt], cancel_after)
        _send_one(engine, _signed(wanted, number) if number % 2 else wanted, tally)

    first = int(requests * _FIRST_PART)
    with _killing(engine, kills, lambda: sum(tally.reasons.values()) / max(1, first)):
        _run_all(send, range(first), threads)
    engine.load()
    list(engine.generate(prompts[0], parameters))
    memory = [_memory(engine)]
    for start in range(first, requests, max(1, first)):
        _run_all(send, range(start, min(start + first, requests)), threads)
        memory.append(_memory(engine))
    ended = sum(tally.reasons.values())
    return Result(
        reasons=dict(tally.reasons),
        wrong=tally.wrong,
        strangers=tally.strangers,
        unended=requests - ended,
        memory=tuple(memory),
        seconds=time.monotonic() - started,
    )


def _certain_tokens(engine: Engine, prompt: list[int]) -> list[int]:
    """Greedy answer of a prompt alone, up to where the two likeliest tokens are too close to tell."""
    tokens: list[int] = []
    parameters = GenerationParameters(_TOKENS, SamplingParameters(temperature=0), logprobs=2, speculates=False)
    for each in engine.generate(prompt, parameters):
        best, second = each.alternatives
        if best.logprob - second.logprob < _LEAST_MARGIN:
            break
        tokens.append(each.token)
    return tokens


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A request, what its answer must begin with, and after how many tokens it is cancelled."""

    prompt: list[int]
    parameters: GenerationParameters
    expected: list[int]
    cancel_after: int | None


def _signed(wanted: _Wanted, number: int) -> _Wanted:
    """The same request, made to say a token of its own only."""
    token = 300 + number % 900
    sampling = SamplingParameters(temperature=0, logit_bias=((token, 1000.0),))
    parameters = replace(wanted.parameters, sampling=sampling)
    return replace(wanted, parameters=parameters, expected=[token] * _TOKENS)


def _send_one(engine: Engine, wanted: _Wanted, tally: Tally) -> None:
    tokens: list[int] = []
    owners: set[int] = set()
    expected = wanted.expected
    try:
        generation = engine.generate(wanted.prompt, wanted.parameters)
        for each in generation:
            tokens.append(each.token)
            owners.add(each.request_id)
            if len(tokens) == wanted.cancel_after:
                generation.cancel()
        reason = generation.finished.reason if generation.finished else "nothing"
    except WorkerDied:
        reason = "worker died"
    is_whole = reason in ("cancelled", "worker died") or len(tokens) >= len(expected)
    with tally.lock:
        tally.reasons[reason] += 1
        tally.wrong += tokens[: len(expected)] != expected[: len(tokens)] or not is_whole
        tally.strangers += len(owners) > 1


def _run_all(send: Callable[[int], None], numbers: range, threads: int) -> None:
    todo = iter(numbers)
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                number = next(todo, None)
            if number is None:
                return
            send(number)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


@contextmanager
def _killing(engine: Engine, kills: int, progress: Callable[[], float]) -> Iterator[None]:
    """Kill the worker at even steps of progress, from a thread."""
    is_over = threading.Event()

    def kill() -> None:
        for number in range(kills):
            while progress() < (number + 0.5) / kills:
                if is_over.wait(0.005):
                    return
            if engine.worker_pid is not None and engine.is_alive:
                os.kill(engine.worker_pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    yield
    is_over.set()
    killer.join()


def _memory(engine: Engine) -> int:
    assert engine.worker_pid is not None
    return int(psutil.Process(engine.worker_pid).memory_info().rss)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--model", type=Path, default=resolve("demo").path)
    parser.add_argument("--sequences", type=int, default=8)
    parser.add_argument("--context", type=int, default=1024)
    options = parser.parse_args()
    load = LoadParameters(
        os.fsencode(options.model),
        options.context,
        threads=1,
        sequences=options.sequences,
        checkpoint_bytes=2 << 20,  # filled early
        ram_cache_bytes=4 << 20,
    )
    with tempfile.TemporaryDirectory() as logs:
        engine = Engine(load, Path(logs))
        try:
            sys.stdout.write(f"{soak(engine, options.requests, options.kills, threads=2 * options.sequences)}\n")
        finally:
            engine.close()


if __name__ == "__main__":
    main()
