"""What `recommend` and `plan` promise of a model, beside what a run on this machine gives: speed and peak memory.

    python -m scripts.shapes e2b Q4_K_M e2b.gguf --fill random
    python -m tests.benchmarks.prediction e2b.gguf [26b.gguf ...] [--tokens 64] [--runs 3] [--context 8192]

Every file is loaded as `g4run run` would load it. The prompt has 512 tokens; the best of the runs counts, since other
programs only make runs slower. Memory is the engine's and this process's resident peak, and what the engine holds at
the end; the plan's figure is without what it keeps free for the system.
"""

import argparse
import os
import random
import sys
import tempfile
from pathlib import Path

import psutil
from msgspec.structs import replace

from g4run.engine.client import Engine
from g4run.engine.parameters import GenerationParameters, SamplingParameters
from g4run.engine.protocol import Finished
from g4run.planner.speed.speed import estimate_speed
from g4run.planner.values import SpeedRange
from g4run.runtime.loader import Loader
from g4run.runtime.loading import LoadOptions, LoadPlan
from g4run.settings import read_settings
from tests.benchmarks.llama_server import peak_memory_bytes
from tests.fakes.library import resolve

PROMPT_TOKENS = 512


def main() -> None:
    """Measure all files of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--context", type=int, default=None)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        for path in given.models:
            _measure(path, given.tokens, given.runs, given.context, Path(directory))


def _measure(path: Path, tokens: int, runs: int, context: int | None, directory: Path) -> None:
    settings = replace(read_settings(), log_directory=directory)
    loader = Loader(resolve(str(path)), settings, LoadOptions(context), lambda _step: None)
    engine = Engine(None, directory)
    loaded = loader.load(engine)
    ended = [_run(engine, tokens) for _ in range(runs)]
    assert engine.worker_pid is not None
    worker = psutil.Process(engine.worker_pid)
    peak = peak_memory_bytes(engine.worker_pid) + peak_memory_bytes(os.getpid())
    held = worker.memory_info().rss + psutil.Process().memory_info().rss
    engine.close()
    _print(path, loaded, ended, peak, held)


def _run(engine: Engine, tokens: int) -> Finished:
    """One prompt that was never seen, and so many tokens after it."""
    prompt = [2, *random.choices(range(1000, 200_000), k=PROMPT_TOKENS - 1)]
    parameters = GenerationParameters(max_tokens=tokens + 1, sampling=SamplingParameters(temperature=0))
    generation = engine.generate(prompt, parameters)
    for _ in generation:
        pass
    if generation.finished is None or generation.finished.generated_tokens != tokens + 1:
        raise RuntimeError("the model ended by itself; take another --seed of the weights")
    return generation.finished


def _print(path: Path, loaded: LoadPlan, ended: list[Finished], peak: int, held: int) -> None:
    plan = loaded.plan
    position = PROMPT_TOKENS + ended[0].generated_tokens // 2
    speed = estimate_speed(plan, loaded.machine, position=position)
    generation = max((one.generated_tokens - 1) / one.generation_seconds for one in ended)
    prompt = max(PROMPT_TOKENS / one.prompt_seconds for one in ended)
    promised = plan.ledger.total_bytes
    settings = plan.settings
    sys.stdout.write(
        f"{path.name}: {plan.placement.value}, context {settings.context}, {settings.threads} threads, "
        f"repack {settings.repack}, bandwidth {loaded.machine.memory_bandwidth.bytes_per_second / 1e9:.1f} GB/s "
        f"({loaded.machine.memory_bandwidth.source.value})\n"
        f"  generation, tokens/s: {_compared(speed.generation, generation)}\n"
        f"  prompt, tokens/s:     {_compared(speed.prompt, prompt)}\n"
        f"  memory, MiB:          predicted {promised / 2**20:.0f}, peak {peak / 2**20:.0f} "
        f"({promised / peak:.3f}), held at the end {held / 2**20:.0f}\n"
    )
    sys.stdout.flush()


def _compared(expected: SpeedRange, measured: float) -> str:
    is_inside = expected.low <= measured <= expected.high
    return (
        f"predicted {expected.expected:.1f} ({expected.low:.1f} to {expected.high:.1f}), measured {measured:.1f}, "
        f"{'within' if is_inside else 'outside'} the range; predicted over measured {expected.expected / measured:.2f}"
    )


if __name__ == "__main__":
    main()
