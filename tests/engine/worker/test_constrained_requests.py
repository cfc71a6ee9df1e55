"""Requests under a grammar in a worker: with neighbours, with drafts, refused, restored, and many of them."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from g4run.engine.client import Engine
from g4run.engine.llama.vocabulary import Vocabulary
from g4run.engine.parameters import GenerationParameters, LoadParameters, SamplingParameters
from g4run.errors import UsageError
from tests.benchmarks.structured import SCHEMA
from tests.engine.requests import DEMO_PATH, DRAFTER, ENDLESS, GREEDY, generate, tokens_of
from tests.engine.sampling.constrained import lark_of

JSON = lark_of(SCHEMA)
HOT = SamplingParameters(temperature=1.5, seed=3)
CONSTRAINED = GenerationParameters(60, HOT, grammar=JSON)
BOMB = "start: T0\n" + "".join(f"T{number}: T{number + 1} T{number + 1}\n" for number in range(40)) + 'T40: "z"'


def engine_of(logs: Path, sequences: int = 4, drafter: bytes | None = None) -> Engine:
    parameters = LoadParameters(DEMO_PATH, 2048, threads=1, sequences=sequences, micro_batch=64, drafter_path=drafter)
    return Engine(parameters, logs)


@pytest.fixture(scope="module", params=[None, os.fsencode(DRAFTER)], ids=["lookup", "drafter"])
def drafting(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = engine_of(tmp_path_factory.mktemp("logs"), drafter=request.param)
    yield engine
    engine.close()


def test_an_answer_under_a_grammar_is_the_same_with_and_without_speculation(
    drafting: Engine, prompt: list[int], vocabulary: Vocabulary
) -> None:
    """Each choice is clear: llama.cpp computes a batch of several tokens a little otherwise than one of one."""
    grammar = 'start: ("{\\"description\\": " ("0" | "1") ", \\"parameters\\": []}\\n"){9}'
    digits, drafted, accepted = vocabulary.tokenize("01"), 0, 0
    for number in range(6):
        likely = replace(GREEDY, logit_bias=((digits[0], 50.0 * (number % 2)), (digits[1], 20.0)))
        parameters = GenerationParameters(300, likely, grammar=grammar, speculates=False)
        expected, plain = generate(drafting, prompt, parameters)
        found, finished = generate(drafting, prompt, replace(parameters, speculates=True))
        assert tokens_of(found) == tokens_of(expected)
        assert finished.reason == plain.reason == "stop"
        drafted, accepted = drafted + finished.drafted_tokens, accepted + finished.accepted_tokens
    assert 0 < accepted <= drafted


def test_neighbours_are_left_alone(tmp_path: Path, prompt: list[int]) -> None:
    """Each alone and all in one batch: constrained, free, and one whose grammar is refused."""
    prompts = [[prompt[0], 300 + number, *prompt[1:]] for number in range(3)]
    wanted = [CONSTRAINED, GenerationParameters(60, HOT), replace(CONSTRAINED, sampling=GREEDY)]
    alone = engine_of(tmp_path, sequences=1)
    expected = [tokens_of(generate(alone, each, one)[0]) for each, one in zip(prompts, wanted, strict=True)]
    together = engine_of(tmp_path)
    refused = together.generate(prompt, replace(CONSTRAINED, grammar=BOMB))
    generations = [together.generate(each, one) for each, one in zip(prompts, wanted, strict=True)]
    assert [tokens_of(list(each)) for each in generations] == expected
    with pytest.raises(UsageError, match=r"^grammar, line 18, column 6: initial lexer configuration"):
        list(refused)
    alone.close()
    together.close()


@pytest.mark.parametrize("grammar", ["start: nothing", "start: <nonsense>", "", BOMB, '{"grammars": []}'])
def test_a_grammar_that_cannot_be_used_fails_its_request_alone(
    drafting: Engine, prompt: list[int], grammar: str
) -> None:
    drafting.load()
    worker = drafting.worker_pid
    with pytest.raises(UsageError, match=r"^grammar"):
        generate(drafting, prompt, GenerationParameters(5, GREEDY, grammar=grammar))
    assert generate(drafting, prompt, GenerationParameters(5, GREEDY))[1].reason in ("length", "stop")
    assert drafting.worker_pid == worker


def test_a_saved_conversation_goes_on_under_a_grammar(tmp_path: Path, prompt: list[int]) -> None:
    first, second = engine_of(tmp_path), engine_of(tmp_path)
    sampled, _ = generate(first, prompt, CONSTRAINED)
    saved = first.save(prompt, tmp_path / "saved", "digest")
    turn = [*prompt, *tokens_of(sampled), *prompt[1:]]
    expected = tokens_of(generate(first, turn, CONSTRAINED)[0])
    second.restore(tmp_path / "saved", "digest")
    again, finished = generate(second, turn, CONSTRAINED)
    assert (tokens_of(again), finished.cached_tokens) == (expected, saved.tokens)
    first.close()
    second.close()


def test_a_cancelled_request_leaves_no_trace(drafting: Engine, prompt: list[int]) -> None:
    endless = GenerationParameters(sampling=ENDLESS, grammar="start: /(.|\\n)*/")
    for _ in range(3):
        generation = drafting.generate(prompt, endless)
        generation.cancel()
        list(generation)
        assert generation.finished is not None and generation.finished.reason == "cancelled"
    assert generate(drafting, prompt, CONSTRAINED)[1].generated_tokens


def test_many_answers_take_no_more_memory(tmp_path: Path, prompt: list[int]) -> None:
    engine = engine_of(tmp_path)
    sizes = []
    for number in range(90):
        grammar = lark_of(
            {"type": "object", "properties": {f"member {number}": SCHEMA}, "required": [f"member {number}"]}
        )
        generate(engine, prompt, replace(CONSTRAINED, max_tokens=20, grammar=grammar))
        if number in (29, 89):
            sizes.append(psutil.Process(engine.worker_pid).memory_info().rss)
    engine.close()
    assert sizes[1] - sizes[0] < 4 << 20
