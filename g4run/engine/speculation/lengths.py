"""How many tokens to draft, and whether to draft at all, from what it has brought and cost so far. Pure.

A step with n drafted tokens brings 1 + r + r² + … + rⁿ tokens where each is right with probability r, given that those
before it were. Its seconds are measured by the caller: drafting, decoding n + 1 tokens, drawing. The length that brings
the most tokens a second is taken; where that is none, drafting pauses, and is tried again after ever longer pauses.
"""

from collections import deque
from dataclasses import dataclass, field
from statistics import median

_KEPT_TIMES = 5  # the median of so few follows a growing context, and ignores one slow step
_DECAY = 0.9  # weight of what was before, at each step with a draft
_FIRST_EVIDENCE = 2.0  # tokens that the first estimate, one of two, counts for
_PLAIN_STEPS_FIRST = 3
_TRIAL_LENGTH = 2
_TRIAL_STEPS = 4
_LEAST_GAIN = 1.03  # below it, what was measured is noise
_FIRST_PAUSE = 32  # steps
_LONGEST_PAUSE = 1024
_REFRESH = 128  # steps with drafts after which one without is measured again


@dataclass(slots=True)
class StepTimes:
    """Seconds of a step by the number of its drafted tokens; between measured ones lie straight lines."""

    _seconds: dict[int, deque[float]] = field(default_factory=dict)

    def record(self, drafted: int, seconds: float) -> None:
        """Take in one step."""
        self._seconds.setdefault(drafted, deque(maxlen=_KEPT_TIMES)).append(seconds)

    def count(self, drafted: int) -> int:
        """How many steps of this length are remembered."""
        return len(self._seconds.get(drafted, ()))

    @property
    def longest(self) -> int:
        """The largest length that was measured; 0 if none."""
        return max(self._seconds, default=0)

    def estimate(self, drafted: int) -> float | None:
        """Seconds of a step; None where fewer than two lengths say something about it."""
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
    """Decides for one drafter; `most` is the longest draft that the caller can verify."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._times = StepTimes()
        self._right, self._judged = _FIRST_EVIDENCE / 2, _FIRST_EVIDENCE
        self._pause_left, self._next_pause = 0, _FIRST_PAUSE
        self._trial_left = _TRIAL_STEPS
        self._since_plain = 0

    @property
    def acceptance(self) -> float:
        """Estimated probability that a drafted token is right, given that those before it were."""
        return self._right / self._judged

    @property
    def gain(self) -> float:
        """Estimated tokens per second at the best length, relative to none drafted; 1 where that is not known."""
        return self._gain(self._best())

    @property
    def is_on(self) -> bool:
        """Whether drafting pays by what is known."""
        return self._pause_left == 0 and self._best() > 0

    @property
    def is_on_trial(self) -> bool:
        """Whether it is to be tried before that is known."""
        return self._pause_left == 0 and self._trial_left > 0

    def choose(self) -> int:
        """Tokens to draft in the next step."""
        if self._pause_left > 0 or self._times.count(0) < _PLAIN_STEPS_FIRST or self._since_plain >= _REFRESH:
            return 0
        if self.is_on_trial:
            return min(_TRIAL_LENGTH, self._most)
        return self._best()

    def observe(self, proposed: int, accepted: int, seconds: float) -> None:
        """Take in a step with a draft of this drafter, or with none at all (`proposed` 0)."""
        if not 0 <= accepted <= proposed:
            raise ValueError(f"{accepted} accepted of {proposed} proposed tokens")
        self._times.record(proposed, seconds)
        if proposed == 0:
            self._since_plain = 0
            self.pass_by()
        else:
            self._since_plain += 1
            self._right = self._right * _DECAY + accepted
            self._judged = self._judged * _DECAY + accepted + (accepted < proposed)
            self._trial_left = max(0, self._trial_left - 1)
            self._settle()

    def pass_by(self) -> None:
        """Take in a step that says nothing about this drafter's drafts."""
        self._pause_left = max(0, self._pause_left - 1)

    def _settle(self) -> None:
        """After a trial, and after each step that follows it: go on, or pause."""
        if self._trial_left > 0:
            return
        if self._best() > 0:
            self._next_pause = _FIRST_PAUSE
            return
        self._pause_left, self._next_pause = self._next_pause, min(2 * self._next_pause, _LONGEST_PAUSE)
        self._trial_left = _TRIAL_STEPS
        self._right, self._judged = self.acceptance * _FIRST_EVIDENCE, _FIRST_EVIDENCE

    def _best(self) -> int:
        lengths = range(1, min(self._most, self._times.longest + 1) + 1)
        best = max(lengths, key=self._gain, default=0)
        return best if self._gain(best) >= _LEAST_GAIN else 0

    def _gain(self, length: int) -> float:
        plain, drafting = self._times.estimate(0), self._times.estimate(length)
        if length == 0 or not plain or not drafting:
            return 1.0
        return sum(self.acceptance**number for number in range(length + 1)) * plain / drafting
