"""Sampler: grammar, thought, bias and bounds together, on rows composed for each case."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from g4run.engine.parameters import GenerationParameters, SamplingParameters, ThoughtTokens
from g4run.engine.sampling.repetition import MOST_REPEATED, MOST_WHITESPACE
from g4run.engine.sampling.sampler import Sampler
from tests.engine.requests import DEMO, GREEDY
from tests.engine.sampling.sampler_chain import LoadedVocabulary


@pytest.fixture(scope="module")
def loaded() -> Iterator[LoadedVocabulary]:
    loaded = LoadedVocabulary(DEMO)
    yield loaded
    loaded.close()


def _row(loaded: LoadedVocabulary, *wanted: int) -> npt.NDArray[np.float32]:
    """Logits that prefer the wanted tokens, the first of them most."""
    row = np.linspace(0, 1, loaded.size, dtype=np.float32)
    for place, token in enumerate(wanted):
        row[token] = 20 - place
    return row


def _thought(loaded: LoadedVocabulary, **options: bool) -> ThoughtTokens:
    return ThoughtTokens(loaded.token("<|channel>"), (*loaded.tokens("\n"), loaded.token("<channel|>")), **options)


def test_the_first_draw_is_taken_if_the_grammar_permits_it_and_else_the_likeliest_that_is(
    loaded: LoadedVocabulary,
) -> None:
    a, b, c, end = (loaded.token(text) for text in ("a", "b", "c", "<turn|>"))
    sampler = Sampler(GenerationParameters(sampling=GREEDY, grammar='start: "a" /[bc]/'), loaded.table)
    assert [sampler.draw_from(_row(loaded, c, a)), sampler.draw_from(_row(loaded, a, end, b, c))] == [a, b]
    assert sampler.is_finished_by_grammar
    assert sampler.draw_from(_row(loaded, a, b, end)) == end
    assert sampler.ended_by is None
    sampler.close()


def test_a_second_draw_follows_the_probabilities_of_what_is_permitted(loaded: LoadedVocabulary) -> None:
    """3 against 1, 4000 draws: 3.29 standard deviations of 27 are passed once in 1000; the seed is fixed."""
    a, b, c = (loaded.token(text) for text in "abc")
    row = np.full(loaded.size, -20, np.float32)
    row[a], row[b], row[c] = 10, math.log(3), 0
    sampling = SamplingParameters(top_k=0, top_p=1, seed=3)
    sampler = Sampler(GenerationParameters(sampling=sampling, grammar="start: /[bc]*/"), loaded.table)
    drawn = []
    for _ in range(4000):
        drawn.append(sampler.draw_from(row))
    sampler.close()
    counts = {token: drawn.count(token) for token in (b, c)}
    assert sum(counts.values()) > 3990  # <eos> and "bc" have their -20
    assert abs(counts[b] - 3000) < 90


def test_the_grammar_begins_after_the_thought_whose_budget_closes_it(loaded: LoadedVocabulary) -> None:
    x, a = loaded.token("x"), loaded.token("a")
    thought = _thought(loaded)
    parameters = GenerationParameters(sampling=GREEDY, grammar='start: "a"', thought=thought, thinking_budget=3)
    sampler = Sampler(parameters, loaded.table)
    rows = [_row(loaded, thought.opening), *[_row(loaded, x)] * 7]
    assert [sampler.draw_from(row) for row in rows][:7] == [thought.opening, x, x, x, *thought.closing, a]
    sampler.close()


def test_the_grammar_begins_at_once_where_nothing_opens_a_thought(loaded: LoadedVocabulary) -> None:
    parameters = GenerationParameters(sampling=GREEDY, grammar='start: "a"+', thought=_thought(loaded))
    sampler = Sampler(parameters, loaded.table)
    wanted = _row(loaded, loaded.token("x"))
    assert {sampler.draw_from(wanted) for _ in range(2)} <= set(loaded.tokens("a")) | {loaded.token("a")}
    opening = loaded.token("<|channel>")
    assert sampler.draw_from(_row(loaded, opening)) != opening  # only the first token could
    sampler.close()


def test_a_model_that_ends_within_its_thought_still_gives_what_the_grammar_asks_for(loaded: LoadedVocabulary) -> None:
    thought = _thought(loaded, opens_in_prompt=True)
    end, a = loaded.token("<turn|>"), loaded.token("a")
    sampler = Sampler(GenerationParameters(sampling=GREEDY, grammar='start: "a"', thought=thought), loaded.table)
    assert [sampler.draw_from(_row(loaded, end)) for _ in range(4)] == [*thought.closing, a, end]
    sampler.close()
    without = Sampler(GenerationParameters(sampling=GREEDY, thought=thought), loaded.table)
    assert without.draw_from(_row(loaded, end)) == end
    without.close()


def test_whitespace_without_end_is_a_loop_and_is_closed(loaded: LoadedVocabulary) -> None:
    sampler = Sampler(GenerationParameters(sampling=GREEDY, grammar=r"start: /[ \n]*a/"), loaded.table)
    rows = [_row(loaded, loaded.token("\n")), _row(loaded, loaded.token(" "))]
    drawn = [(sampler.draw_from(rows[number % 2]), sampler.ended_by) for number in range(MOST_WHITESPACE + 1)]
    assert [reason for _, reason in drawn] == [None] * MOST_WHITESPACE + ["loop"]
    assert drawn[-1][0] == loaded.token("a")
    sampler.close()


def test_a_repetition_without_end_is_a_loop_inside_a_grammar_only(loaded: LoadedVocabulary) -> None:
    row = _row(loaded, loaded.token("a"))
    sampler = Sampler(GenerationParameters(sampling=GREEDY, grammar='start: "a"* "b"'), loaded.table)
    free = Sampler(GenerationParameters(sampling=GREEDY), loaded.table)
    for _ in range(MOST_REPEATED + 1):
        sampler.draw_from(row)
        free.draw_from(row)
    assert (sampler.ended_by, free.ended_by) == (None, None)
    assert (sampler.draw_from(row), free.draw_from(row)) == (loaded.token("b"), loaded.token("a"))
    assert (sampler.ended_by, free.ended_by) == ("loop", None)
    sampler.close()
    free.close()


def test_an_answer_is_closed_within_the_tokens_that_it_may_have(loaded: LoadedVocabulary) -> None:
    row, brackets = _row(loaded, loaded.token("a")), [loaded.token(text) for text in "[]"]
    sampler = Sampler(
        GenerationParameters(sampling=GREEDY, grammar='start: "[" /[ab]*/ "]"'), loaded.table, most_tokens=4
    )
    drawn = [(sampler.draw_from(row), sampler.ended_by) for _ in range(4)]
    assert drawn == [(brackets[0], None), *[(loaded.token("a"), None)] * 2, (brackets[1], "length")]
    sampler.close()


def test_an_answer_that_ends_by_itself_is_not_said_to_be_closed(loaded: LoadedVocabulary) -> None:
    a, end, brackets = loaded.token("a"), loaded.token("]"), [loaded.token(text) for text in "[]"]
    sampler = Sampler(
        GenerationParameters(sampling=GREEDY, grammar='start: "[" /[ab]*/ "]"'), loaded.table, most_tokens=4
    )
    rows = [_row(loaded, a), _row(loaded, a), _row(loaded, end)]
    assert [sampler.draw_from(row) for row in rows] == [brackets[0], a, brackets[1]]
    assert (sampler.ended_by, sampler.is_finished_by_grammar) == (None, True)
    sampler.close()


def test_the_tokens_of_a_thought_count_among_those_that_an_answer_may_have(loaded: LoadedVocabulary) -> None:
    thought = _thought(loaded, opens_in_prompt=True)
    parameters = GenerationParameters(sampling=GREEDY, grammar='start: "[" /[ab]*/ "]"', thought=thought)
    a, brackets = loaded.token("a"), [loaded.token(text) for text in "[]"]
    sampler = Sampler(parameters, loaded.table, most_tokens=6)
    rows = [_row(loaded, a), _row(loaded, a), _row(loaded, loaded.token("<channel|>")), *[_row(loaded, a)] * 3]
    drawn = [sampler.draw_from(row) for row in rows]
    assert drawn == [a, a, loaded.token("<channel|>"), brackets[0], a, brackets[1]]
    assert sampler.ended_by == "length"
    sampler.close()


def test_an_answer_for_which_there_is_no_room_is_not_changed(loaded: LoadedVocabulary) -> None:
    row = _row(loaded, loaded.token("a"))
    sampler = Sampler(
        GenerationParameters(sampling=GREEDY, grammar='start: "[" /[ab]{3,9}/ "]"'), loaded.table, most_tokens=4
    )
    drawn = [(sampler.draw_from(row), sampler.ended_by) for _ in range(4)]
    assert drawn == [(loaded.token("["), None), *[(loaded.token("a"), None)] * 3]
    sampler.close()


def test_asking_what_is_forced_changes_nothing(loaded: LoadedVocabulary) -> None:
    """A draft that asks is verified by the same draws."""
    grammar = 'start: ("red, " | "green, " | "blue, "){9}'
    parameters = GenerationParameters(sampling=SamplingParameters(seed=5), grammar=grammar)
    asked, plain = Sampler(parameters, loaded.table), Sampler(parameters, loaded.table)
    forced = 0
    for row in np.random.default_rng(3).normal(0, 3, (40, loaded.size)).astype(np.float32):
        forced += len(asked.forced_tokens())
        assert asked.draw_from(row) == plain.draw_from(row)
    assert forced > 0
    asked.close()
    plain.close()


def test_a_grammar_that_no_token_can_go_on_with_fails_this_request_alone(loaded: LoadedVocabulary) -> None:
    tab = loaded.token("\t")
    sampler = Sampler(GenerationParameters(grammar=r'start: "\t"'), loaded.table, suppressed=[tab])
    assert (sampler.draw_from(_row(loaded)), sampler.ended_by) == (loaded.token("<eos>"), "failed")
    sampler.close()


def test_a_grammar_with_ever_more_ways_to_read_what_is_written_fails_this_request_alone(
    loaded: LoadedVocabulary,
) -> None:
    ways = " | ".join(" ".join("a" * count) for count in range(2, 12))
    parameters = GenerationParameters(sampling=GREEDY, grammar=f'start: a\na: "a" | {ways} | b a\nb: a b | "a" |')
    sampler = Sampler(parameters, loaded.table)
    row = _row(loaded, loaded.token("a"))
    drawn = next((number for number in range(200) if (sampler.draw_from(row), sampler.ended_by)[1]), None)
    assert drawn is not None  # by then each token takes ever longer
    assert sampler.ended_by == "failed"
    sampler.close()


@pytest.mark.parametrize("sampling", [GREEDY, SamplingParameters()])
def test_logits_that_are_no_numbers_fail_this_request_alone(
    sampling: SamplingParameters, loaded: LoadedVocabulary
) -> None:
    sampler = Sampler(GenerationParameters(sampling=sampling), loaded.table)
    sampler.draw_from(np.full(loaded.size, np.nan, np.float32))
    assert sampler.ended_by == "failed"
    sampler.close()


def test_suppressed_tokens_are_never_drawn_and_the_rest_of_the_row_is_left_alone(loaded: LoadedVocabulary) -> None:
    a, b = loaded.token("a"), loaded.token("b")
    row = _row(loaded, a, b)
    expected = row.copy()
    expected[a] = -np.inf
    sampling = replace(GREEDY, logit_bias=((5, 3.0), (b, -1.0)), repeat_penalty=1.5)
    sampler = Sampler(GenerationParameters(sampling=sampling), loaded.table, suppressed=[a])
    assert [sampler.draw_from(row) for _ in range(2)] == [b, b]
    assert np.array_equal(row, expected)
    sampler.close()


def test_a_forbidden_token_is_drawn_not_even_where_the_grammar_wants_it(loaded: LoadedVocabulary) -> None:
    a, b = loaded.token("a"), loaded.token("b")
    sampling = replace(GREEDY, logit_bias=((a, -math.inf),))
    sampler = Sampler(GenerationParameters(sampling=sampling, grammar="start: /[ab]/"), loaded.table)
    assert sampler.draw_from(_row(loaded, a, b)) == b
    sampler.close()


def test_tokens_that_the_vocabulary_does_not_have_are_refused(loaded: LoadedVocabulary) -> None:
    for parameters in (
        GenerationParameters(sampling=SamplingParameters(logit_bias=((loaded.size, 1.0),))),
        GenerationParameters(thought=ThoughtTokens(3, (loaded.size,))),
    ):
        with pytest.raises(ValueError, match=f"the vocabulary has no token {loaded.size}"):
            Sampler(parameters, loaded.table)


def test_a_grammar_that_does_not_parse_is_refused(loaded: LoadedVocabulary) -> None:
    sampler = Sampler(GenerationParameters(grammar="start: ]"), loaded.table)
    assert sampler.draw_from(_row(loaded)) == loaded.token("<eos>")
    assert sampler.ended_by == "refused"
    assert sampler.refusal.startswith("grammar, line 1, column 8: expecting rule, token or statement")
    sampler.close()


RANGES = {
    "temperature": (-0.1, 2e9),
    "top_k": (-1, 2**31),
    "top_p": (-0.1, 1.1),
    "min_p": (-0.1, 1.1),
    "seed": (-1, 2**63),
    "repeat_penalty": (0, 1001),
    "repeat_last_n": (-2, 2**31),
    "presence_penalty": (-1001, 1001),
    "frequency_penalty": (-1001, 1001),
    "typical_p": (-0.1, 1.1),
    "dry_multiplier": (-1, 1001),
    "dry_base": (0.9, 1001),
    "dry_allowed_length": (0, 2**31),
    "dry_last_n": (-2, 2**31),
    "xtc_probability": (-0.1, 1.1),
    "xtc_threshold": (-0.1, 1.1),
}


@pytest.mark.parametrize("name", RANGES)
def test_numbers_that_the_library_cannot_draw_with_are_refused(name: str) -> None:
    for value in (*RANGES[name], math.nan, math.inf, -math.inf):
        with pytest.raises(ValueError, match=f"^{name} must be between "):
            SamplingParameters(**{name: value})  # type: ignore[arg-type] # the counts too are given a float


@pytest.mark.parametrize("bias", [(-1, 1.0), (3, math.nan), (3, math.inf), (3, 1e7)])
def test_a_bias_that_makes_no_logit_is_refused(bias: tuple[int, float]) -> None:
    with pytest.raises(ValueError, match="logit_bias must be a number up to 1e\\+06 for a token"):
        SamplingParameters(logit_bias=(bias,))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"max_tokens": 0}, "max_tokens must be 1 or more, not 0"),
        ({"logprobs": -1}, "logprobs must be between 0 and 20, not -1"),
        ({"logprobs": 21}, "logprobs must be between 0 and 20, not 21"),
        ({"thinking_budget": -1, "thought": ThoughtTokens(1, (2,))}, "thinking_budget must be 0 or more, not -1"),
        ({"thinking_budget": 5}, "thinking_budget requires the tokens of a thought"),
        ({"deadline_seconds": 0.0}, "deadline_seconds must be above 0 and finite, not 0.0"),
        ({"deadline_seconds": math.nan}, "deadline_seconds must be above 0 and finite, not nan"),
    ],
)
def test_what_no_request_can_mean_is_refused(options: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{reason}$"):
        GenerationParameters(**options)  # type: ignore[arg-type] # each by its name
