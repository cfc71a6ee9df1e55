"""Decode speed beside llama-bench, and peak memory beside llama-server, on one file in alternating pairs.

    python -m scripts.shapes e2b Q4_K_M e2b.gguf --fill random
    python -m tests.benchmarks.decode e2b.gguf --tools DIRECTORY [--pairs 5] [--tokens 64] [--threads 2]

DIRECTORY holds llama-bench and llama-server, built from llama-cpp-python's source distribution. Drafting is off:
random weights repeat themselves, so that drafts would almost always be accepted.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil

from g4run.chat.messages import Conversation, Message, Role
from g4run.chat.render import PromptFormat, render
from g4run.chat.tokens import CONTROL_TEXTS
from g4run.engine.client import Engine
from g4run.engine.llama.vocabulary import Vocabulary
from g4run.engine.parameters import GenerationParameters, LoadParameters, SamplingParameters
from g4run.runtime.answers.answer import AnswerOptions
from g4run.runtime.answers.prompt import tokenize_prompt
from g4run.runtime.model import ChatModel, LoadOptions
from g4run.settings import read_settings
from tests.benchmarks.llama_server import llama_server, peak_memory_bytes
from tests.fakes.library import resolve

PROMPT = "Tell me a story about a lighthouse."


@dataclass(frozen=True, slots=True)
class Setup:
    """What both sides run with."""

    model: Path
    tools: Path
    tokens: int
    threads: int
    context_length: int


def main() -> None:
    """Measure, and print every pair, the medians and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--tools", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--context", type=int, default=4096)
    given = parser.parse_args()
    setup = Setup(given.model, given.tools, given.tokens, given.threads, given.context)
    pairs = [_pair(setup, number) for number in range(given.pairs)]
    ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(our / their for our, their in pairs)
    sys.stdout.write(f"decode: g4run {ours:.2f}, llama-bench {theirs:.2f} tokens/s; median ratio {ratio:.3f}\n")
    memory, server_memory = _our_peak(setup), _server_peak(setup)
    sys.stdout.write(
        f"peak memory: worker {memory / 2**20:.0f} MiB, llama-server {server_memory / 2**20:.0f} MiB; "
        f"ratio {memory / server_memory:.3f}\n"
    )


def _pair(setup: Setup, number: int) -> tuple[float, float]:
    """Both speeds, in tokens per second; who comes first alternates."""
    if number % 2:
        theirs = _bench_speed(setup)
        ours = _our_speed(setup)
    else:
        ours = _our_speed(setup)
        theirs = _bench_speed(setup)
    sys.stdout.write(f"pair {number + 1}: g4run {ours:.2f}, llama-bench {theirs:.2f}, ratio {ours / theirs:.3f}\n")
    sys.stdout.flush()
    return ours, theirs


def _our_speed(setup: Setup) -> float:
    load = LoadParameters(
        os.fsencode(setup.model), setup.context_length, threads=setup.threads, micro_batch=512, gpu_layers=0
    )
    parameters = GenerationParameters(
        max_tokens=setup.tokens + 1, sampling=SamplingParameters(temperature=0), speculates=False
    )
    with tempfile.TemporaryDirectory() as logs:
        engine = Engine(load, Path(logs))
        engine.load()
        generation = engine.generate(_prompt_tokens(setup), parameters)
        drawn = sum(1 for _ in generation)
        engine.close()
    if generation.finished is None or drawn != setup.tokens + 1:
        raise RuntimeError("the model ended by itself; take another --seed of the weights")
    return setup.tokens / generation.finished.generation_seconds


def _bench_speed(setup: Setup) -> float:
    command = [str(setup.tools / "llama-bench"), "-m", str(setup.model), "-fa", "1", "-t", str(setup.threads)]
    done = subprocess.run(
        [*command, "-p", "0", "-n", str(setup.tokens), "-r", "1", "-o", "json"], capture_output=True, check=True
    )
    return float(json.loads(done.stdout)[0]["avg_ts"])


def _our_peak(setup: Setup) -> int:
    options = AnswerOptions(sampling=SamplingParameters(temperature=0), max_tokens=setup.tokens)
    settings = read_settings(os.environ | {"G4RUN_THREADS": str(setup.threads)})
    with ChatModel.open(resolve(str(setup.model)), settings, LoadOptions(setup.context_length)) as model:
        for _ in model.answer(Conversation((Message.of(Role.USER, PROMPT),)), options):
            pass
        (engine,) = psutil.Process().children()
        return peak_memory_bytes(engine.pid)


def _prompt_tokens(setup: Setup) -> list[int]:
    vocabulary = Vocabulary(setup.model, CONTROL_TEXTS)
    conversation = Conversation((Message.of(Role.USER, PROMPT),))
    return list(tokenize_prompt(render(conversation, PromptFormat.SMALL, thinking=False), vocabulary).tokens)


def _server_peak(setup: Setup) -> int:
    tokens = _prompt_tokens(setup)
    with llama_server(
        setup.tools / "llama-server", setup.model, context_length=setup.context_length, threads=setup.threads
    ) as server:
        server.complete(tokens, setup.tokens)
        return server.peak_memory_bytes()


if __name__ == "__main__":
    main()
