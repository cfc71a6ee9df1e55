"""Recommend a model, quantization, and settings for a machine, with reasons.

Every file of the catalog is planned and its speed estimated. Of those that fit now, the most useful wins
(`goals.usefulness`), unless a better one is as fast within the error of the prediction. Of equals, a confirmed file
wins, then one trained for its quantization, then the smaller one, then the name. Spare memory buys a better
quantization. The result is deterministic.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import msgspec

from g4run.errors import UsageError
from g4run.hardware.machine import Machine
from g4run.models.catalog.catalog import Catalog
from g4run.planner.hypothetical_machine import idle_machine
from g4run.planner.recommend.candidates import Candidate, Question, Verdict, find_candidates
from g4run.planner.recommend.goals import Preference, RecommendRequest, attempts, is_as_fast, reaches_minimum
from g4run.planner.recommend.quality import EQUAL_STEPS, NEAR_LOSSLESS
from g4run.planner.recommend.reasons import explain, explain_best, memory_to_free, no_recommendation
from g4run.planner.speed.measured import MeasuredSpeed

MAX_AFTER_FREEING = 3
_SPARE_STEPS = 0.2  # of usefulness: what a near-lossless file may cost if nearly all memory is spare
_CLEAR_STEPS = 0.1  # of quality: what a file must be better by to win although it is less useful
_MIN_GAIN = 0.1  # of usefulness, in quality steps; less is not worth closing other programs for


class Recommendation(msgspec.Struct, frozen=True):
    """The choice, or None if nothing is suitable; the alternatives by usefulness, those that fit first.

    `after_freeing` has better files that would fit if other programs freed memory, at most one per size.
    """

    request: RecommendRequest
    best: Candidate | None
    alternatives: tuple[Candidate, ...]
    after_freeing: tuple[Candidate, ...]

    def require_best(self) -> Candidate:
        """Return the choice. Raises DoesNotFit, which says what is missing."""
        if self.best is None:
            raise no_recommendation(self.alternatives, self.after_freeing, self.request)
        return self.best


def recommend(
    catalog: Catalog,
    machine: Machine,
    request: RecommendRequest,
    *,
    measured: Sequence[MeasuredSpeed] = (),
    digests: Mapping[tuple[str, str], str] = MappingProxyType({}),
) -> Recommendation:
    """Recommend a file. Requested values stay; context and KV cache type change only if nothing fits.

    Measured speeds take precedence over estimates, also for files known only by `digests` (`known_digests`).
    Raises UsageError for a size that lacks the goal's modality.
    """
    _check(catalog, request)
    first = Question(machine, request, attempts(request)[0], tuple(measured), digests)
    question, candidates = _first_that_fits(catalog, first)
    best = _choose(candidates, request)
    others = sorted((candidate for candidate in candidates if candidate is not best), key=_order)
    return Recommendation(
        request,
        best=None if best is None else explain_best(best, others, question),
        alternatives=tuple(explain(other, best, request) for other in others),
        after_freeing=tuple(_after_freeing(catalog, question, best)),
    )


def _check(catalog: Catalog, request: RecommendRequest) -> None:
    if request.size is None or request.modality in (None, *catalog.facts(request.size).modalities):
        return
    able = ", ".join(facts.label for facts in catalog.sizes if request.modality in facts.modalities)
    label = catalog.facts(request.size).label
    raise UsageError(f"{label} does not take {request.modality}: {able} do", f"g4run recommend --for {request.goal}")


def _first_that_fits(catalog: Catalog, first: Question) -> tuple[Question, tuple[Candidate, ...]]:
    """Return the candidates of the first attempt with any that fits, otherwise of the last attempt."""
    for attempt in attempts(first.request):
        question = replace(first, attempt=attempt)
        candidates = find_candidates(catalog, question)
        if any(candidate.fits for candidate in candidates):
            break
    return question, candidates


def _choose(candidates: Sequence[Candidate], request: RecommendRequest) -> Candidate | None:
    """Choose the most useful of those that fit, or a better one that is as fast; None if none is fast enough."""
    fitting = [candidate for candidate in candidates if candidate.fits and reaches_minimum(candidate.speed, request)]
    first = max(fitting, key=lambda candidate: candidate.usefulness, default=None)
    if first is None:
        return None
    as_fast = [candidate for candidate in fitting if is_as_fast(candidate.speed, first.speed, request.goal)]
    best = max(as_fast, key=lambda candidate: (candidate.worth, candidate.usefulness))
    if best.worth <= first.worth + _CLEAR_STEPS:
        best = first
    equal = min((candidate for candidate in fitting if _is_equal(candidate, best)), key=_preference)
    return equal if request.preference is Preference.SPEED else _with_spare_memory(equal, fitting)


def _with_spare_memory(best: Candidate, fitting: Sequence[Candidate]) -> Candidate:
    """Return a near-lossless file of the same size instead if it leaves much memory and is not much less useful."""
    if best.quality.loss in NEAR_LOSSLESS:
        return best
    better = [
        candidate
        for candidate in fitting
        if (candidate.file.size, candidate.plan.placement) == (best.file.size, best.plan.placement)
        and candidate.quality.loss in NEAR_LOSSLESS
        and best.usefulness - candidate.usefulness <= _SPARE_STEPS * candidate.spare_share
    ]
    return max(better, key=lambda candidate: candidate.usefulness, default=best)


def _is_equal(candidate: Candidate, best: Candidate) -> bool:
    """Return whether neither the quality nor the usefulness of a file is lower in earnest."""
    least = best.worth - EQUAL_STEPS, best.usefulness - EQUAL_STEPS
    return candidate.worth >= least[0] and candidate.usefulness >= least[1]


def _preference(candidate: Candidate) -> tuple[bool, bool, int, str]:
    file = candidate.file
    return not file.path_is_confirmed, not file.is_qat, file.size_bytes, file.name


def _order(candidate: Candidate) -> tuple[bool, float, int, str]:
    return not candidate.fits, -candidate.usefulness, candidate.file.size_bytes, candidate.file.name


def _after_freeing(catalog: Catalog, question: Question, best: Candidate | None) -> Iterator[Candidate]:
    """Yield the most useful file of each size that would be clearly better with the memory of other programs."""
    freed = idle_machine(question.machine)
    if freed == question.machine:
        return
    least = -math.inf if best is None else best.usefulness + _MIN_GAIN
    attempt = attempts(question.request)[0]
    asked = replace(question, machine=freed, attempt=attempt, min_usefulness=least)
    found = [candidate for candidate in find_candidates(catalog, asked) if _is_better(candidate, asked)]
    first_of_size = {candidate.file.size: candidate for candidate in sorted(found, key=_order, reverse=True)}
    for candidate in sorted(first_of_size.values(), key=_order)[:MAX_AFTER_FREEING]:
        freeing = memory_to_free(candidate, question.machine)
        if freeing:
            verdict, reason = Verdict.AFTER_FREEING, f"needs {freeing}"
            yield replace(candidate, fits=False, verdict=verdict, freeing=freeing, reason=reason)


def _is_better(candidate: Candidate, question: Question) -> bool:
    is_better = candidate.usefulness > question.min_usefulness
    return candidate.fits and is_better and reaches_minimum(candidate.speed, question.request)
