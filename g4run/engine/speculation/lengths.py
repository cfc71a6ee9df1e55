"""Chooses how many tokens to draft, from measured step times and acceptance. Pure.

A step with n drafted tokens yields 1 + r + r² + … + rⁿ tokens, where each is accepted with probability r given that
those before it were. The caller measures its seconds: drafting, decoding n + 1 tokens, drawing. The length with the
most tokens per second wins; if that is zero, drafting pauses, with each pause longer than the last.
"""

from collections import deque
from dataclasses import dataclass, field
from statistics import median

_TIMES_KEPT = 5  # the median of five follows a growing context and ignores one slow step
_DECAY = 0.9  # weight of the past at each step with a draft
_PRIOR_TOKENS = 2.0  # weight in tokens of the initial estimate, one of two
_PLAIN_STEPS_FIRST = 3
_TRIAL_LENGTH = 2
_TRIAL_STEPS = 4
_MIN_GAIN = 1.03  # a smaller gain is within the noise of the measurement
_FIRST_PAUSE = 32  # steps
_MAX_PAUSE = 1024
_REMEASURE_STEPS = 128  # after so many steps with a draft, measure one without again


@dataclass(slots=True)
class StepTimes:
    """Seconds per step by number of drafted tokens; unmeasured lengths are interpolated linearly."""

    _seconds: dict[int, deque[float]] = field(default_factory=dict)

    def record(self, drafted: int, seconds: float) -> None:
        """Record one step."""
        self._seconds.setdefault(drafted, deque(maxlen=_TIMES_KEPT)).append(seconds)

    def count(self, drafted: int) -> int:
        """Return how many steps of this length are on record."""
        return len(self._seconds.get(drafted, ()))

    @property
    def longest(self) -> int:
        """Longest measured draft; 0 if none."""
        return max(self._seconds, default=0)

    def estimate(self, drafted: int) -> float | None:
        """Estimate the seconds of a step; None without enough measurements."""
        known = {length: median(times) for length, times in self._seconds.items()}
        if drafted in known:
            return known[drafted]
        below = sorted(length for length in known if length < drafted)
        above = [length for length in known if length > drafted]
        if not below or len(known) < 2:
            return None
        first, second = (below[-1], min(above)) if above else (below[0], below[-1])
        slope = (known[second] - known[first]) / (second - first)
        return known[below[-1]] + (slope if above else max(0.0, slope)) * (drafted - below[-1])


class DraftLength:
    """Chooses the draft length for one drafter; `limit` is the longest draft that the caller can verify."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._times = StepTimes()
        self._right, self._judged = _PRIOR_TOKENS / 2, _PRIOR_TOKENS
        self._pause_left, self._next_pause = 0, _FIRST_PAUSE
        self._trial_left = _TRIAL_STEPS
        self._since_plain = 0

    @property
    def acceptance(self) -> float:
        """Estimated probability that a drafted token is accepted, given that those before it were."""
        return self._right / self._judged

    @property
    def gain(self) -> float:
        """Estimated speedup at the best length over no drafting; 1 while unknown."""
        return self._gain(self._best())

    @property
    def is_on(self) -> bool:
        """Whether drafting is known to pay."""
        return self._pause_left == 0 and self._best() > 0

    @property
    def is_on_trial(self) -> bool:
        """Whether the drafter is being tried out."""
        return self._pause_left == 0 and self._trial_left > 0

    def choose(self) -> int:
        """Return the number of tokens to draft in the next step."""
        if self._pause_left > 0 or self._times.count(0) < _PLAIN_STEPS_FIRST or self._since_plain >= _REMEASURE_STEPS:
            return 0
        if self.is_on_trial:
            return min(_TRIAL_LENGTH, self._limit)
        return self._best()

    def observe(self, proposed: int, accepted: int, seconds: float) -> None:
        """Record a step with a draft of this drafter, or without any draft (`proposed` 0)."""
        if not 0 <= accepted <= proposed:
            raise ValueError(f"{accepted} accepted of {proposed} proposed tokens")
        self._times.record(proposed, seconds)
        if proposed == 0:
            self._since_plain = 0
            self.skip_step()
        else:
            self._since_plain += 1
            self._right = self._right * _DECAY + accepted
            self._judged = self._judged * _DECAY + accepted + (accepted < proposed)
            self._trial_left = max(0, self._trial_left - 1)
            self._settle()

    def skip_step(self) -> None:
        """Count a step that says nothing about this drafter."""
        self._pause_left = max(0, self._pause_left - 1)

    def _settle(self) -> None:
        """After a trial, and after each later step, continue or pause."""
        if self._trial_left > 0:
            return
        if self._best() > 0:
            self._next_pause = _FIRST_PAUSE
            return
        self._pause_left, self._next_pause = self._next_pause, min(2 * self._next_pause, _MAX_PAUSE)
        self._trial_left = _TRIAL_STEPS
        self._right, self._judged = self.acceptance * _PRIOR_TOKENS, _PRIOR_TOKENS

    def _best(self) -> int:
        lengths = range(1, min(self._limit, self._times.longest + 1) + 1)
        best = max(lengths, key=self._gain, default=0)
        return best if self._gain(best) >= _MIN_GAIN else 0

    def _gain(self, length: int) -> float:
        plain, drafting = self._times.estimate(0), self._times.estimate(length)
        if length == 0 or not plain or not drafting:
            return 1.0
        return sum(self.acceptance**number for number in range(length + 1)) * plain / drafting
