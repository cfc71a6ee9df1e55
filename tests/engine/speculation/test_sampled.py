"""Speculation keeps the distribution: a chi-square test on an answer's first three tokens."""

from collections import Counter

import numpy as np

from g4run.engine.llama.api import Context, Model
from g4run.engine.speculation.lookup import LookupDrafter
from g4run.engine.speculation.mtp import MtpDrafter
from g4run.engine.speculation.speculator import Speculator
from tests.engine.speculation.loop import Loop, dice, probabilities

TEMPERATURE = 4.0
RUNS = 700
MIN_EXPECTED = 5
ONE_IN_TEN_THOUSAND = 3.719  # standard deviations

Triple = tuple[int, ...]


def expected_triples(loop: Loop, prompt: list[int]) -> dict[Triple, float]:
    """Compute the exact probabilities of the most likely three-token answers without speculation."""
    found: dict[Triple, float] = {(): 1.0}
    for _ in range(3):
        rows = {beginning: probabilities(loop.logits([*prompt, *beginning]), TEMPERATURE) for beginning in found}
        found = {
            (*beginning, int(token)): found[beginning] * float(row[token])
            for beginning, row in rows.items()
            for token in np.flatnonzero(row)
        }
    return {triple: share for triple, share in found.items() if share * RUNS >= MIN_EXPECTED}


def excess(counted: Counter[Triple], expected: dict[Triple, float]) -> float:
    """Chi-square over the expected triples and the rest, in standard deviations (Wilson and Hilferty 1931)."""
    runs, rest = counted.total(), 1 - sum(expected.values())
    shares = [*expected.values(), rest]
    counts = [counted[triple] for triple in expected]
    counts.append(runs - sum(counts))
    square = sum((count - runs * share) ** 2 / (runs * share) for count, share in zip(counts, shares, strict=True))
    spread = 2 / (9 * (len(shares) - 1))
    return float(((square / (len(shares) - 1)) ** (1 / 3) - (1 - spread)) / spread**0.5)


def test_drafts_do_not_change_the_distribution(
    model: Model, context: Context, drafter: MtpDrafter, prompts: list[list[int]]
) -> None:
    prompt = prompts[0]
    expected = expected_triples(Loop(model, context), prompt)
    drafting = Loop(model, context, Speculator([drafter], limit=4))
    counted = Counter(drafted_triple(drafting, prompt, run) for run in range(RUNS))
    assert len(expected) > 10
    assert drafting.counts.proposed > RUNS / 2
    assert drafting.counts.accepted > RUNS / 10
    assert excess(counted, expected) < ONE_IN_TEN_THOUSAND


def test_the_same_seed_gives_the_same_answer(
    model: Model, context: Context, drafter: MtpDrafter, prompts: list[list[int]]
) -> None:
    plain = Loop(model, context)
    drafting = Loop(model, context, Speculator([LookupDrafter(), drafter], limit=4))
    for run, prompt in enumerate(prompts[::10]):
        wanted = plain.generate(prompt, 60, dice(run, TEMPERATURE))
        assert drafting.generate(prompt, 60, dice(run, TEMPERATURE)) == wanted
    assert drafting.counts.proposed > drafting.counts.accepted > 50


def test_the_test_detects_a_temperature_20_percent_higher(
    model: Model, context: Context, prompts: list[list[int]]
) -> None:
    loop = Loop(model, context)
    expected = expected_triples(loop, prompts[0])
    counted = Counter(tuple(loop.generate(prompts[0], 3, dice(run, 1.2 * TEMPERATURE))) for run in range(RUNS))
    assert excess(counted, expected) > ONE_IN_TEN_THOUSAND


def drafted_triple(loop: Loop, prompt: list[int], run: int) -> Triple:
    return tuple(loop.generate(prompt, 5, dice(run, TEMPERATURE))[:3])
