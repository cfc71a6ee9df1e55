"""Recommend a model, quantization, and settings for a machine, with reasons.

Every file of the catalog is planned and its speed estimated. Of those that fit now and are fast enough, the most useful
wins (`goals.usefulness`), then the smaller file, then the name. The result is deterministic.
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
from g4run.planner.recommend.goals import RecommendRequest, attempts
from g4run.planner.recommend.reasons import explain, explain_best, memory_to_free, no_recommendation
from g4run.planner.speed.measured import MeasuredSpeed

MAX_AFTER_FREEING = 3
_NEAR_FASTEST = 0.75  # share of the highest speed; the very fastest files are much worse for little more speed
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
    """Choose the most useful of those that are fast enough; of the fastest if none is and no speed was requested."""
    fitting = [candidate for candidate in candidates if candidate.fits]
    fast = [candidate for candidate in fitting if is_fast_enough(candidate, request)]
    if not fast and request.minimum_speed is None:
        fastest = max((candidate.speed.generation.expected for candidate in fitting), default=0.0)
        fast = [candidate for candidate in fitting if candidate.speed.generation.expected >= fastest * _NEAR_FASTEST]
    return min(fast, key=_order, default=None)


def is_fast_enough(candidate: Candidate, request: RecommendRequest) -> bool:
    """Return whether the expected speed reaches the wanted one."""
    return candidate.speed.generation.expected >= request.wanted_speed


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
    return candidate.fits and is_better and is_fast_enough(candidate, question.request)
