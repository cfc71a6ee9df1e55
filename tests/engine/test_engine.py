"""The engine end to end: a real process, the real llama.cpp, the built-in model."""

import os
from pathlib import Path

import pytest

from g4run.engine.client import Engine
from g4run.engine.llama.vocabulary import Vocabulary
from g4run.engine.parameters import GenerationParameters, LoadParameters, SamplingParameters
from g4run.errors import DoesNotFit, G4RunError
from tests.engine.requests import DEMO, ENDLESS, GREEDY, generate, tokens_of


def test_greedy_tokens_are_reproducible_and_end_with_the_models_end_token(
    engine: Engine, prompt: list[int], vocabulary: Vocabulary
) -> None:
    first, finished = generate(engine, prompt, GenerationParameters(sampling=GREEDY))
    second, _ = generate(engine, prompt, GenerationParameters(sampling=GREEDY))
    assert tokens_of(first) == tokens_of(second)
    assert vocabulary.piece(first[-1].token) == b"<turn|>"
    assert (finished.reason, finished.prompt_tokens, finished.generated_tokens) == ("stop", len(prompt), len(first))
    assert finished.prompt_seconds > 0 and finished.generation_seconds > 0


def test_small_micro_batches_give_the_same_answer_as_one_batch(
    prompt: list[int], vocabulary: Vocabulary, tmp_path: Path
) -> None:
    long_prompt = [prompt[0], *vocabulary.tokenize("Hello there, friend. " * 80), *prompt[1:]]
    answers = []
    for micro_batch in (16, 512):
        parameters = LoadParameters(os.fsencode(DEMO), context_length=2048, threads=1, micro_batch=micro_batch)
        engine = Engine(parameters, tmp_path)
        answers.append(tokens_of(generate(engine, long_prompt, GenerationParameters(20, GREEDY))[0]))
        engine.close()
    assert len(long_prompt) > 256
    assert answers[0] == answers[1]


def test_the_same_seed_gives_the_same_tokens_and_another_seed_others(engine: Engine, prompt: list[int]) -> None:
    hot = [SamplingParameters(temperature=3, top_k=0, top_p=1, seed=seed) for seed in (1, 1, 2)]
    first, again, other = (tokens_of(generate(engine, prompt, GenerationParameters(24, each))[0]) for each in hot)
    assert first == again
    assert first != other


def test_top_k_of_one_is_greedy_whatever_the_temperature(engine: Engine, prompt: list[int]) -> None:
    greedy, _ = generate(engine, prompt, GenerationParameters(sampling=GREEDY))
    single, _ = generate(engine, prompt, GenerationParameters(sampling=SamplingParameters(temperature=2, top_k=1)))
    assert tokens_of(single) == tokens_of(greedy)


@pytest.mark.parametrize("filtered", [{"top_p": 1e-6}, {"top_p": 1, "min_p": 1}], ids=["top-p", "min-p"])
def test_a_filter_that_leaves_one_token_is_greedy(
    engine: Engine, prompt: list[int], filtered: dict[str, float]
) -> None:
    greedy, _ = generate(engine, prompt, GenerationParameters(sampling=GREEDY))
    sampling = SamplingParameters(temperature=3, top_k=0, **filtered)  # type: ignore[arg-type] # floats, all of them
    assert tokens_of(generate(engine, prompt, GenerationParameters(sampling=sampling))[0]) == tokens_of(greedy)


def test_max_tokens_is_exact(engine: Engine, prompt: list[int]) -> None:
    sampled, finished = generate(engine, prompt, GenerationParameters(3, GREEDY))
    assert (len(sampled), finished.reason) == (3, "length")


def test_the_context_is_used_to_its_last_cell(prompt: list[int], tmp_path: Path) -> None:
    engine = Engine(LoadParameters(os.fsencode(DEMO), context_length=256, threads=1), tmp_path)
    sampled, finished = generate(engine, prompt, GenerationParameters(sampling=ENDLESS))
    engine.close()
    assert finished.reason == "length"
    assert len(prompt) + len(sampled) == 256 + 1  # the last token needs no cell


def test_a_prompt_longer_than_the_context_is_refused_and_the_next_is_served(engine: Engine, prompt: list[int]) -> None:
    with pytest.raises(
        DoesNotFit, match="the prompt has 2,048 tokens, but the context holds 2,048 including the answer"
    ):
        generate(engine, [prompt[0]] * 2048, GenerationParameters())
    assert generate(engine, prompt, GenerationParameters(1, GREEDY))[0]


@pytest.mark.parametrize("tokens", [[], [2, -1], [2, 10_000_000]], ids=["empty", "negative", "out of range"])
def test_invalid_tokens_are_refused(engine: Engine, tokens: list[int]) -> None:
    with pytest.raises(G4RunError, match="the prompt is empty, too long, or has a token out of range"):
        generate(engine, tokens, GenerationParameters())


def test_logprobs_cover_the_drawn_and_the_most_likely_tokens(engine: Engine, prompt: list[int]) -> None:
    sampled, _ = generate(engine, prompt, GenerationParameters(5, GREEDY, logprobs=3))
    for each in sampled:
        assert len(each.alternatives) == 3
        assert each.alternatives[0].token == each.token
        assert each.alternatives[0].logprob == pytest.approx(each.logprob)
        assert 0 >= each.alternatives[0].logprob >= each.alternatives[1].logprob >= each.alternatives[2].logprob


def test_concurrent_requests_get_the_tokens_they_would_get_alone(engine: Engine, prompt: list[int]) -> None:
    requests = [(prompt, GenerationParameters(20, GREEDY)), (prompt[:-3] + prompt, GenerationParameters(20, GREEDY))]
    alone = [tokens_of(generate(engine, *request)[0]) for request in requests]
    together = [engine.generate(*request) for request in (*requests, *requests, *requests)]
    streams = [list(generation) for generation in together]
    assert [tokens_of(stream) for stream in streams] == alone * 3
    assert {each.sequence_id for stream in streams for each in stream} == {0, 1}


def test_a_cancelled_request_is_reported_as_such(engine: Engine, prompt: list[int]) -> None:
    generation = engine.generate(prompt, GenerationParameters(sampling=ENDLESS))
    for seen, _ in enumerate(generation, 1):
        if seen == 5:
            generation.cancel()
    assert generation.finished is not None
    assert generation.finished.reason == "cancelled"
    assert 5 <= generation.finished.generated_tokens < 1500


def test_an_abandoned_request_frees_its_sequence(engine: Engine, prompt: list[int]) -> None:
    for _ in range(3):
        for _token in engine.generate(prompt, GenerationParameters(sampling=ENDLESS)):
            break
        assert engine._process is not None
        assert engine._process._waiting == {}
    assert generate(engine, prompt, GenerationParameters(2, GREEDY))[1].reason == "length"
