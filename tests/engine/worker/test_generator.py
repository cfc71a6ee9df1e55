"""Many requests in one worker: reuse, a full cache, the queue, deadlines, batching, state files."""

import math
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from g4run.engine.client import Engine
from g4run.engine.kv_cache.host_cache import common_prefix
from g4run.engine.llama.vocabulary import Vocabulary
from g4run.engine.parameters import GenerationParameters, LoadParameters, SamplingParameters
from g4run.errors import EngineBusy, G4RunError, SavedStateRefused, WorkerDied
from tests.engine.requests import DEMO_PATH, DRAFTER, ENDLESS, GREEDY, generate, tokens_of

DRAFTER_PATH = os.fsencode(DRAFTER)

Open = Callable[..., Engine]


@pytest.fixture
def open_engine(tmp_path: Path) -> Iterator[Open]:
    engines: list[Engine] = []

    def start(
        context_length: int = 2048,
        sequences: int = 8,
        hang_seconds: float = 60,
        queue_length: int = 256,
        ram_cache_bytes: int = 1 << 24,
        checkpoint_bytes: int = 1 << 24,
        drafter_path: bytes | None = None,
    ) -> Engine:
        parameters = LoadParameters(
            DEMO_PATH,
            context_length,
            threads=1,
            sequences=sequences,
            micro_batch=64,
            queue_length=queue_length,
            ram_cache_bytes=ram_cache_bytes,
            checkpoint_bytes=checkpoint_bytes,
            drafter_path=drafter_path,
        )
        engines.append(Engine(parameters, tmp_path / "logs", hang_seconds))
        return engines[-1]

    yield start
    for engine in engines:
        engine.close()


@pytest.fixture(scope="module")
def system(vocabulary: Vocabulary) -> list[int]:
    text = "You are a keeper of a lighthouse, and you answer in few words. " * 20
    return [vocabulary.control_token("<bos>"), *vocabulary.tokenize(text)]


def greedy(tokens: int = 12) -> GenerationParameters:
    return GenerationParameters(tokens, GREEDY)


def test_the_next_turn_computes_its_new_tokens_only(open_engine: Open, system: list[int], prompt: list[int]) -> None:
    engine = open_engine(sequences=1)
    sampled, first = generate(engine, system, greedy(100))
    assert (first.cached_tokens, first.evaluated_tokens) == (0, len(system))
    turn = [*system, *tokens_of(sampled), *prompt]
    _, second = generate(engine, turn, greedy())
    computed = len(system) + len(sampled) - 1  # the last token was drawn, not computed
    assert (second.cached_tokens, second.evaluated_tokens) == (computed, len(turn) - computed)


def test_after_a_stripped_answer_only_the_new_prompt_is_computed(
    open_engine: Open, system: list[int], prompt: list[int]
) -> None:
    engine = open_engine(sequences=1)
    generate(engine, system, GenerationParameters(400, ENDLESS))
    turn = [*system, *prompt]
    _, second = generate(engine, turn, greedy())
    assert (second.cached_tokens, second.evaluated_tokens) == (len(system), len(prompt))


def test_a_later_prompt_can_go_back_to_a_boundary(open_engine: Open, system: list[int], prompt: list[int]) -> None:
    engine = open_engine(sequences=1)
    boundary = len(system) - 100
    list(engine.generate(system, GenerationParameters(400, ENDLESS), [boundary]))
    _, other = generate(engine, [*system[: boundary + 3], *prompt], greedy())
    assert other.cached_tokens == boundary


def test_a_system_prompt_shared_by_eight_requests_is_computed_once(
    open_engine: Open, system: list[int], vocabulary: Vocabulary
) -> None:
    prompts = [[*system, *vocabulary.tokenize(f"Keeper {number}, speak!")] for number in range(8)]
    shared = common_prefix(prompts[0], prompts[1])
    assert all(common_prefix(prompts[0], each) == shared for each in prompts[1:])
    engine = open_engine(4096)
    generations = [engine.generate(each, greedy()) for each in prompts]
    together = [tokens_of(list(each)) for each in generations]
    finished = [each.finished for each in generations if each.finished is not None]
    assert sum(each.evaluated_tokens for each in finished) == shared + sum(len(each) - shared for each in prompts)
    alone = open_engine(4096, sequences=1, ram_cache_bytes=0, checkpoint_bytes=0)
    assert together == [tokens_of(generate(alone, each, greedy())[0]) for each in prompts]


def test_greedy_output_is_the_same_alone_and_in_a_batch_of_eight(open_engine: Open, prompt: list[int]) -> None:
    """Compare 40 tokens each of eight prompts without a common prefix, alone and in one batch."""
    prompts = [[prompt[0], 300 + number, *prompt[1:]] for number in range(8)]
    alone = open_engine(sequences=1)
    expected = [tokens_of(generate(alone, each, greedy(40))[0]) for each in prompts]
    together = open_engine()
    generations = [together.generate(each, greedy(40)) for each in prompts]
    assert [tokens_of(list(each)) for each in generations] == expected


def test_greedy_output_is_the_same_with_a_drafter(open_engine: Open, prompt: list[int]) -> None:
    """Several turns, so that drafts meet reused cells, checkpoints and a fork."""
    plain, drafting = open_engine(ram_cache_bytes=0), open_engine(drafter_path=DRAFTER_PATH)
    drafted = 0
    for number in range(6):
        turn = [*prompt * (1 + number % 3), 300 + number]
        expected, _ = generate(plain, turn, GenerationParameters(60, GREEDY, speculates=False))
        found, finished = generate(drafting, turn, GenerationParameters(60, GREEDY))
        assert tokens_of(found) == tokens_of(expected)
        assert finished.generated_tokens == len(found)
        assert 0 <= finished.accepted_tokens <= finished.drafted_tokens
        drafted += finished.drafted_tokens
    assert drafted > 0


def test_a_full_cache_fails_no_request(open_engine: Open, prompt: list[int]) -> None:
    """Four answers of more than 300 cells in a cache of 512; each equals the one it gets alone."""
    parameters = [GenerationParameters(300, ENDLESS)] * 4
    prompts = [[prompt[0], 300 + number, *prompt[1:]] for number in range(4)]
    alone = open_engine(512, sequences=1)
    expected = [tokens_of(generate(alone, each, one)[0]) for each, one in zip(prompts, parameters, strict=True)]
    engine = open_engine(512, sequences=4)
    generations = [engine.generate(each, one) for each, one in zip(prompts, parameters, strict=True)]
    streams = [list(each) for each in generations]
    reasons = [each.finished.reason for each in generations if each.finished is not None]
    assert reasons == ["length"] * 4
    assert [tokens_of(stream) for stream in streams] == expected


def test_a_request_is_refused_when_the_queue_is_full(open_engine: Open, prompt: list[int]) -> None:
    engine = open_engine(sequences=1, queue_length=1)
    generations = [engine.generate(prompt, GenerationParameters(sampling=ENDLESS)) for _ in range(3)]
    with pytest.raises(EngineBusy, match=r"the engine is busy, and its queue is full \([12] waiting\)"):
        list(generations[2])
    for generation in generations[:2]:
        generation.cancel()
        list(generation)
        assert generation.finished is not None
        assert generation.finished.reason == "cancelled"


def test_a_request_keeps_its_tokens_when_its_deadline_ends_it(
    open_engine: Open, prompt: list[int], vocabulary: Vocabulary
) -> None:
    ends = [vocabulary.control_token(text) for text in ("<eos>", "<turn|>", "<|tool_response>")]
    endless = replace(ENDLESS, logit_bias=tuple((token, -math.inf) for token in ends))
    engine = open_engine(65536, sequences=1)
    engine.load()
    sampled, finished = generate(engine, prompt, GenerationParameters(sampling=endless, deadline_seconds=0.2))
    assert (finished.reason, finished.generated_tokens) == ("deadline", len(sampled))
    assert sampled


def never_closing(vocabulary: Vocabulary) -> SamplingParameters:
    """A dice that never comes to a closing bracket."""
    closing = [token for token in range(len(vocabulary)) if b"]" in vocabulary.piece(token)]
    return replace(ENDLESS, logit_bias=tuple((token, -math.inf) for token in closing))


@pytest.mark.parametrize("room", [1, 2, 300])
def test_an_answer_under_a_grammar_is_closed_at_the_end_of_the_context(
    open_engine: Open, prompt: list[int], vocabulary: Vocabulary, room: int
) -> None:
    engine = open_engine(512, sequences=2)
    length = 512 - room
    held = GenerationParameters(sampling=never_closing(vocabulary), grammar='start: "[" /[a-z]*/ "]"')
    sampled, finished = generate(engine, (prompt * 100)[:length], held)
    text = b"".join(vocabulary.piece(each.token) for each in sampled).decode()
    assert (text[0], text[-1], finished.reason) == ("[", "]", "length")
    assert finished.generated_tokens <= room + 1  # the last token needs no cell
    assert room < 300 or finished.generated_tokens > 290


def test_four_held_answers_in_a_cache_for_two_are_all_closed(
    open_engine: Open, prompt: list[int], vocabulary: Vocabulary
) -> None:
    """They are put back and taken up again: what was drawn before counts."""
    engine = open_engine(512, sequences=4)
    held = GenerationParameters(250, never_closing(vocabulary), grammar='start: "[" /[a-z]*/ "]"')
    generations = [engine.generate([prompt[0], 300 + number, *prompt[1:]], held) for number in range(4)]
    texts = [b"".join(vocabulary.piece(each.token) for each in generation).decode() for generation in generations]
    assert [(text[0], text[1:-1].isalpha(), text[-1]) for text in texts] == [("[", True, "]")] * 4
    assert [each.finished.reason for each in generations if each.finished is not None] == ["length"] * 4


def test_a_grammar_that_is_none_is_refused_and_others_go_on(open_engine: Open, prompt: list[int]) -> None:
    engine = open_engine()
    with pytest.raises(G4RunError):
        generate(engine, prompt, GenerationParameters(5, GREEDY, grammar="start: nothing"))
    assert generate(engine, prompt, greedy())[1].reason in ("length", "stop")


def test_a_restored_conversation_reuses_its_tokens(
    open_engine: Open, system: list[int], prompt: list[int], tmp_path: Path
) -> None:
    first = open_engine()
    sampled, _ = generate(first, system, greedy())
    saved = first.save(system, tmp_path / "saved", "digest")
    assert saved.size_bytes == (tmp_path / "saved").stat().st_size
    turn = [*system, *tokens_of(sampled), *prompt]
    expected = tokens_of(generate(first, turn, greedy())[0])
    second = open_engine()
    restored = second.restore(tmp_path / "saved", "digest")
    assert restored.tokens == [*system, *tokens_of(sampled)[:-1]]
    again, finished = generate(second, turn, greedy())
    assert (tokens_of(again), finished.cached_tokens) == (expected, saved.tokens)


def test_failures_to_save_or_restore_are_reported(open_engine: Open, prompt: list[int], tmp_path: Path) -> None:
    engine = open_engine()
    with pytest.raises(SavedStateRefused, match="no part of this conversation is cached"):
        engine.save(prompt, tmp_path / "saved", "digest")
    generate(engine, prompt, greedy())
    with pytest.raises(SavedStateRefused, match=r"^cannot write .*saved: no such file or directory"):
        engine.save(prompt, tmp_path / "nowhere" / "saved", "digest")
    with pytest.raises(SavedStateRefused, match=r"^cannot read .*saved: no such file or directory"):
        engine.restore(tmp_path / "saved", "digest")
    engine.save(prompt, tmp_path / "saved", "digest")
    with pytest.raises(SavedStateRefused, match="model digest is digest, not another"):
        engine.restore(tmp_path / "saved", "another")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to stop with")
def test_a_worker_that_hangs_is_replaced_and_its_requests_fail(open_engine: Open, prompt: list[int]) -> None:
    engine = open_engine(hang_seconds=1)
    generation = engine.generate(prompt, GenerationParameters(sampling=ENDLESS))
    hung = engine.worker_pid
    assert hung is not None
    with pytest.raises(WorkerDied, match=r"the engine was ended: it made no progress for \d seconds"):
        for number, _ in enumerate(generation):
            if number == 3:
                os.kill(hung, signal.SIGSTOP)
    assert generate(engine, prompt, greedy())[0]
    assert engine.worker_pid != hung


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to stop with")
def test_an_idle_worker_may_be_silent(open_engine: Open, prompt: list[int]) -> None:
    engine = open_engine(hang_seconds=1)
    generate(engine, prompt, greedy())
    worker = engine.worker_pid
    assert engine._process is not None
    assert not engine._process._has_ended.wait(1.5)
    assert engine.worker_pid == worker
