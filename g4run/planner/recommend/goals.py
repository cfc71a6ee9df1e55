"""Goals and preferences of a recommendation: context, minimum speed, and how much speed is worth against quality."""

import math
from enum import StrEnum

import msgspec

from g4run.kv_types import KvType
from g4run.models.names.types import Size
from g4run.planner.values import Speed


class Goal(StrEnum):
    """What you want to use the model for."""

    CHAT = "chat"
    CODE = "code"
    VISION = "vision"
    AUDIO = "audio"
    LONG_CONTEXT = "long-context"


class Preference(StrEnum):
    """Whether quality or speed counts more."""

    QUALITY = "quality"
    BALANCED = "balanced"
    SPEED = "speed"


class RecommendRequest(msgspec.Struct, frozen=True):
    """What you asked for; None leaves it to the goal. `size` fixes the size but not the quantization."""

    goal: Goal = Goal.CHAT
    preference: Preference = Preference.BALANCED
    size: Size | None = None
    context: int | None = None  # tokens
    kv_type: KvType | None = None
    minimum_speed: float | None = None  # tokens per second, of generation

    @property
    def wanted_context(self) -> int:
        """The requested context in tokens, or the goal's."""
        return self.context or _NEEDS[self.goal].context

    @property
    def wanted_speed(self) -> float:
        """The minimum tokens per second; half as much for the goal if quality is preferred."""
        if self.minimum_speed is not None:
            return self.minimum_speed
        return _NEEDS[self.goal].speed / (2 if self.preference is Preference.QUALITY else 1)

    @property
    def modality(self) -> str | None:
        """The catalog's name of the input that the model must accept in addition to text."""
        return {Goal.VISION: "image", Goal.AUDIO: "audio"}.get(self.goal)


class Attempt(msgspec.Struct, frozen=True):
    """One combination of the settings that may change to fit: context in tokens, and KV cache type."""

    context: int
    kv_type: KvType


class _Need(msgspec.Struct, frozen=True):
    """A goal's context in tokens, minimum speed in tokens per second, and typical turn in tokens.

    5 tokens/s is a little above reading speed; code is read faster and comes in longer answers. Assumed.
    """

    context: int
    speed: float
    prompt_tokens: int  # new in a turn; earlier turns are cached
    answer_tokens: int


class _Weight(msgspec.Struct, frozen=True):
    """How many quality steps doubling the speed is worth, below and above the speed that is enough."""

    below: float
    above: float
    enough: float  # tokens per second


_NEEDS = {
    Goal.CHAT: _Need(8192, 5, 200, 300),
    Goal.CODE: _Need(32768, 8, 2000, 600),
    Goal.VISION: _Need(8192, 5, 500, 200),
    Goal.AUDIO: _Need(8192, 5, 800, 200),
    Goal.LONG_CONTEXT: _Need(131072, 5, 8000, 500),
}
_WEIGHTS = {
    Preference.QUALITY: _Weight(0.0, 0.0, 30),
    Preference.BALANCED: _Weight(1.0, 0.2, 30),
    Preference.SPEED: _Weight(2.0, 0.3, 100),
}
_MIN_CONTEXT = 4096
_MIN_SPEED, _MAX_SPEED = 0.01, 1000.0  # tokens per second, of any model on any machine


def attempts(request: RecommendRequest) -> tuple[Attempt, ...]:
    """Return the combinations to try in order until something fits; requested values stay.

    The context shrinks before the KV cache type changes: a q8_0 cache costs 26B as much quality as a 5-bit file does, a
    q4_0 one more than a 4-bit file (localbench: divergences of 0.377 and 1.088).
    """
    contexts = [request.wanted_context]
    while request.context is None and contexts[-1] > _MIN_CONTEXT:
        contexts.append(contexts[-1] // 2)
    types = (KvType.F16, KvType.Q8_0, KvType.Q4_0) if request.kv_type is None else (request.kv_type,)
    return tuple(Attempt(context, kv_type) for kv_type in types for context in contexts)


def usefulness(quality: float, speed: Speed, request: RecommendRequest) -> float:
    """Return a candidate's score: its quality in steps, plus a bonus for speed."""
    return quality + _speed_bonus(turn_speed(speed, request.goal), _WEIGHTS[request.preference])


def max_usefulness(quality: float, request: RecommendRequest) -> float:
    """Return the highest score that a candidate of that quality can have."""
    return quality + _speed_bonus(_MAX_SPEED, _WEIGHTS[request.preference])


def _speed_bonus(rate: float, weight: _Weight) -> float:
    within = math.log2(min(max(rate, _MIN_SPEED), weight.enough))
    return weight.below * within + weight.above * math.log2(max(1.0, rate / weight.enough))


def turn_speed(speed: Speed, goal: Goal) -> float:
    """Return the answer tokens per second of a typical turn, including the time to process its new prompt tokens."""
    need = _NEEDS[goal]
    if speed.generation.expected <= 0 or speed.prompt.expected <= 0:
        return 0.0
    seconds = need.prompt_tokens / speed.prompt.expected + need.answer_tokens / speed.generation.expected
    return need.answer_tokens / seconds
