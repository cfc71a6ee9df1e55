"""The device's cut through the engine's own process, on the CPU backend: used, measured, and left alone."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import llama_cpp.llama_cpp as C  # noqa: N812 - the C API, as llama.cpp's documentation calls it
import pytest

from g4run.engine.client import Engine
from g4run.engine.device_sampling import LEAST_STEPS, Comparison, DeviceCut
from g4run.engine.llama import api as llama
from g4run.engine.parameters import (
    MOST_CUT,
    DeviceSampling,
    GenerationParameters,
    LoadParameters,
    SamplingParameters,
)
from g4run.engine.protocol import Loaded, Sampled
from g4run.engine.sampling.sampler import Sampler
from g4run.errors import LoadFailed
from tests.engine.requests import DEMO_PATH, DRAFTER, GREEDY, generate, tokens_of
from tests.engine.sampling.sampler_chain import silence

PARAMETERS = LoadParameters(
    DEMO_PATH, context_length=2048, threads=1, sequences=3, micro_batch=64, drafter_path=os.fsencode(DRAFTER)
)
CUT = replace(PARAMETERS, device_sampling=DeviceSampling.ON)
WARM = SamplingParameters(temperature=1.5, seed=3)
ALONE = GenerationParameters(30, WARM, speculates=False)  # so that every batch is the same, and rounds the same
# By turns such as the cut serves and such as need rows, so that sequences change from one kind to the other.
REQUESTS = [
    replace(ALONE, sampling=GREEDY),
    replace(ALONE, logprobs=2),
    ALONE,
    replace(ALONE, sampling=replace(WARM, repeat_penalty=1.3)),
    replace(ALONE, sampling=replace(WARM, top_k=5, min_p=0.05)),
    replace(ALONE, grammar="root ::= [a-z ]*"),
    replace(ALONE, sampling=replace(WARM, top_k=0)),
    replace(ALONE, sampling=replace(WARM, seed=5)),
]
# Rounded as the batch has it, logits move a little, which changes no greedy token here (test_generator.py).
TOGETHER = [
    GenerationParameters(30, GREEDY),
    GenerationParameters(30, GREEDY, logprobs=1),
    GenerationParameters(30, GREEDY),
    GenerationParameters(30, replace(GREEDY, logit_bias=((300, -5.0),))),
    GenerationParameters(30, GREEDY, grammar="root ::= [a-z ]*"),
    GenerationParameters(30, GREEDY),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(PARAMETERS, tmp_path_factory.mktemp("logs"))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(CUT, tmp_path_factory.mktemp("logs"))
    yield engine
    engine.close()


def verdict(loaded: Loaded) -> tuple[bool, bool]:
    return loaded.device_sampling, loaded.has_measured


def answers(engine: Engine, prompt: list[int], requests: list[GenerationParameters]) -> list[list[Sampled]]:
    return [
        [replace_ids(sampled) for sampled in generate(engine, [*prompt, 300 + number], parameters)[0]]
        for number, parameters in enumerate(requests)
    ]


def replace_ids(sampled: Sampled) -> Sampled:
    return Sampled(0, 0, sampled.token, sampled.logprob, sampled.alternatives)


def test_what_was_decided_is_told(whole: Engine, cut: Engine) -> None:
    assert [verdict(engine.load()) for engine in (whole, cut)] == [(False, False), (True, False)]


def test_one_request_after_the_other_gets_the_same_tokens(whole: Engine, cut: Engine, prompt: list[int]) -> None:
    assert answers(cut, prompt, REQUESTS) == answers(whole, prompt, REQUESTS)


def test_requests_of_both_kinds_in_one_batch_get_the_same_tokens(whole: Engine, cut: Engine, prompt: list[int]) -> None:
    expected = [tokens_of(each) for each in answers(whole, prompt, TOGETHER)]
    generations = [cut.generate([*prompt, 300 + number], each) for number, each in enumerate(TOGETHER)]
    assert [tokens_of(list(each)) for each in generations] == expected


def test_a_draft_is_checked_against_rows_that_are_cut(whole: Engine, cut: Engine, prompt: list[int]) -> None:
    drafting = GenerationParameters(80, GREEDY)
    expected, _ = generate(whole, prompt, replace(drafting, speculates=False))
    found, finished = generate(cut, prompt, drafting)
    assert tokens_of(found) == tokens_of(expected)
    assert finished.drafted_tokens > 0


@pytest.mark.parametrize(("mode", "counts"), [(DeviceSampling.ON, [MOST_CUT, 0]), (DeviceSampling.OFF, [0, 0])])
def test_a_sequence_is_cut_for_a_request_that_needs_no_rows(mode: DeviceSampling, counts: list[int]) -> None:
    silence()
    llama.initialize_backend()
    model = llama.Model(CUT, lambda _fraction: None)
    context, batch = llama.Context(model, CUT), llama.Batch(CUT.micro_batch, CUT.sequences)
    cut = DeviceCut(replace(CUT, device_sampling=mode), model, context, batch)
    assert [context.first_position(sequence) for sequence in range(3)] == [-1, -1, -1]
    for sequence, request in enumerate(REQUESTS[:2]):
        sampler = Sampler(request, model.vocabulary)
        cut.assign(sequence, sampler)
        sampler.close()
    indices = [batch.append(sequence, 0, [300, 301], 1) for sequence in range(2)]
    assert context.decode(batch) == 0
    assert [C.llama_get_sampled_candidates_count_ith(context.handle, index) for index in indices] == counts


def test_what_is_measured_is_told_and_logged_and_changes_no_token(
    whole: Engine, prompt: list[int], tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    measured = replace(CUT, device_sampling=DeviceSampling.MEASURE, measuring_mark=os.fsencode(mark))
    engine = Engine(measured, tmp_path / "logs")
    loaded = engine.load()
    assert loaded.has_measured
    assert not mark.exists()
    assert engine.log_path is not None
    lines = [line for line in engine.log_path.read_text("utf-8").splitlines() if "rows that the device cut" in line]
    assert [line.rpartition("the cut is ")[2] for line in lines] == ["used" if loaded.device_sampling else "not used"]
    assert answers(engine, prompt, REQUESTS) == answers(whole, prompt, REQUESTS)
    engine.close()


def test_a_mark_that_is_there_forbids_measuring(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    mark.touch()
    engine = Engine(
        replace(CUT, device_sampling=DeviceSampling.MEASURE, measuring_mark=os.fsencode(mark)), tmp_path / "logs"
    )
    assert verdict(engine.load()) == (False, False)
    assert mark.exists()
    engine.close()


def test_no_mark_no_measuring(tmp_path: Path) -> None:
    mark = os.fsencode(tmp_path / "nowhere" / "mark")
    engine = Engine(replace(CUT, device_sampling=DeviceSampling.MEASURE, measuring_mark=mark), tmp_path / "logs")
    assert verdict(engine.load()) == (False, False)
    engine.close()


def test_an_engine_that_dies_while_it_measures_leaves_its_mark(tmp_path: Path) -> None:
    """Measuring takes a moment; an attempt that comes too late to end it in the middle is repeated."""
    mark = tmp_path / "mark"
    parameters = replace(CUT, device_sampling=DeviceSampling.MEASURE, measuring_mark=os.fsencode(mark))
    assert any(died_measuring(Engine(parameters, tmp_path / "logs"), mark) for _attempt in range(20))


def died_measuring(engine: Engine, mark: Path) -> bool:
    stop = signal.SIGTERM if sys.platform == "win32" else signal.SIGSEGV
    with ThreadPoolExecutor(1) as executor:
        loading = executor.submit(engine.load)
        pause = threading.Event()
        while not loading.done() and not mark.exists():
            pause.wait(0.001)
        if not loading.done():
            assert engine.worker_pid is not None
            os.kill(engine.worker_pid, stop)
        died = isinstance(loading.exception(), LoadFailed)
    engine.close()
    return died and mark.exists()


@pytest.mark.parametrize(
    ("whole", "cut", "is_faster"),
    [
        ([1.0] * LEAST_STEPS, [0.9] * LEAST_STEPS, True),
        ([1.03] * LEAST_STEPS, [1.0] * LEAST_STEPS, True),
        ([1.02] * LEAST_STEPS, [1.0] * LEAST_STEPS, False),
        ([1.0] * LEAST_STEPS, [1.1] * LEAST_STEPS, False),
        ([1.0] * LEAST_STEPS, [0.9] * (LEAST_STEPS - 1) + [50.0], True),
        ([1.0] * LEAST_STEPS, [0.5] * (LEAST_STEPS - 1), False),
        ([1.0] * (LEAST_STEPS - 1), [0.5] * LEAST_STEPS, False),
        ([], [], False),
    ],
)
def test_the_cut_pays_where_its_median_is_3_percent_lower(
    whole: list[float], cut: list[float], is_faster: bool
) -> None:
    assert Comparison(tuple(whole), tuple(cut)).is_faster == is_faster
