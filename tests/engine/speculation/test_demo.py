"""Greedy answers of the built-in model are the same with and without speculation."""

from collections.abc import Sequence
from random import Random

import pytest

from g4run.engine.llama.api import Context, Model
from g4run.engine.speculation.lookup import LookupDrafter
from g4run.engine.speculation.mtp import MtpDrafter
from g4run.engine.speculation.speculator import Speculator
from tests.engine.speculation.loop import Loop

MAX_TOKENS = 120


def test_the_drafter_is_mostly_right(
    model: Model, context: Context, drafter: MtpDrafter, prompts: list[list[int]]
) -> None:
    loop = Loop(model, context, Speculator([drafter], limit=4))
    for prompt in prompts:
        loop.generate(prompt, MAX_TOKENS)
    assert loop.counts.accepted > 0.9 * loop.counts.proposed > 1000


@pytest.mark.parametrize("sequence_id", [0, 5])
def test_greedy_answers_are_the_same_with_the_drafter(
    model: Model, context: Context, drafter: MtpDrafter, prompts: list[list[int]], sequence_id: int
) -> None:
    plain = Loop(model, context, sequence_id=sequence_id)
    drafting = Loop(model, context, Speculator([LookupDrafter(), drafter], limit=7), sequence_id=sequence_id)
    for prompt in prompts[sequence_id::5]:
        assert drafting.generate(prompt, MAX_TOKENS) == plain.generate(prompt, MAX_TOKENS)
    assert drafting.counts.decodes < 0.5 * plain.counts.decodes


def test_greedy_answers_are_the_same_with_lookup_only(model: Model, context: Context, prompts: list[list[int]]) -> None:
    plain = Loop(model, context)
    drafting = Loop(model, context, Speculator([LookupDrafter()], limit=7))
    for prompt in prompts[::3]:
        assert drafting.generate(prompt, MAX_TOKENS) == plain.generate(prompt, MAX_TOKENS)
    assert drafting.counts.proposed > drafting.counts.accepted > 0


class HalfWrongDrafter:
    """Corrupts a known answer at random, so that every number of rejected tokens occurs."""

    def __init__(self, answer: Sequence[int]) -> None:
        self._answer, self._random = answer, Random(5)

    def follow(self, request_id: int, sequence_id: int, length: int, index: int) -> None:
        """Do nothing."""

    def propose(self, request_id: int, tokens: Sequence[int], limit: int) -> list[int]:
        right = self._answer[len(tokens) : len(tokens) + limit]
        return [token if self._random.random() < 0.8 else self._random.randrange(30, 1280) for token in right]


def test_rejected_drafts_leave_no_trace_beyond_the_window(
    model: Model, context: Context, prompts: list[list[int]]
) -> None:
    plain, rejected = Loop(model, context), 0
    for prompt in sorted(prompts, key=len)[-12:]:
        answer = plain.generate(prompt, MAX_TOKENS)
        drafting = Loop(model, context, Speculator([HalfWrongDrafter([*prompt, *answer])], limit=7))
        assert drafting.generate(prompt, MAX_TOKENS) == answer
        rejected += drafting.counts.proposed - drafting.counts.accepted
        assert len(prompt) > 2 * context.window
    assert rejected > 100
