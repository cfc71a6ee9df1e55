"""Goals and preferences of a recommendation: the context, and how much speed is worth against quality."""

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
    def modality(self) -> str | None:
        """The catalog's name of the input that the model must accept in addition to text."""
        return {Goal.VISION: "image", Goal.AUDIO: "audio"}.get(self.goal)


class Attempt(msgspec.Struct, frozen=True):
    """One combination of the settings that may change to fit: context in tokens, and KV cache type."""

    context: int
    kv_type: KvType


class _Need(msgspec.Struct, frozen=True):
    """A goal's context in tokens, comfortable speed in tokens per second, and typical turn in tokens. Assumed.

    The speed is that of a whole turn. People read about 5 tokens/s, and wait longer for answers about a long text.
    """

    context: int
    speed: float
    prompt_tokens: int  # new in a turn; earlier turns are cached
    answer_tokens: int


class _Curve(msgspec.Struct, frozen=True):
    """What a speed costs, in quality steps: smooth, without any cliff.

    At the goal's comfortable speed times `comfort` it costs `weight`, and with each halving below that it rises by
    weight x steepness. Far above, each halving costs `tail`.
    """

    weight: float
    comfort: float
    steepness: float
    tail: float

    def cost(self, rate: float, comfortable: float) -> float:
        """Return the cost of a speed in tokens per second."""
        below = math.log2(1 + (comfortable / rate) ** self.steepness)
        return self.weight * below + self.tail * math.log2(1 + _FAST / rate)


_NEEDS = {
    Goal.CHAT: _Need(8192, 7, 200, 300),
    Goal.CODE: _Need(32768, 8, 2000, 600),
    Goal.VISION: _Need(8192, 7, 500, 200),
    Goal.AUDIO: _Need(8192, 7, 800, 200),
    Goal.LONG_CONTEXT: _Need(131072, 4, 8000, 500),
}
# With quality preferred, only what has less than about 4 tokens/s is too slow, and that by far.
_CURVES = {
    Preference.QUALITY: _Curve(1.0, 0.7, 6.0, 0.0),
    Preference.BALANCED: _Curve(1.0, 1.0, 3.0, 0.15),
    Preference.SPEED: _Curve(4.0, 6.0, 1.0, 0.0),
}
_FAST = 200.0  # tokens per second
_MIN_CONTEXT = 4096
_MIN_SPEED = 0.01  # tokens per second
_MAX_ERROR = 1.25  # two files on one machine share most of the error of their speeds


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


def usefulness(steps: float, speed: Speed, request: RecommendRequest) -> float:
    """Return a candidate's score: its quality in steps, minus what its speed costs, so never more than its quality."""
    curve, comfortable = _CURVES[request.preference], _NEEDS[request.goal].speed
    wanted = max(comfortable * curve.comfort, request.minimum_speed or 0.0)
    rate = max(turn_speed(speed, request.goal), _MIN_SPEED)
    return steps - curve.cost(rate, wanted)


def turn_speed(speed: Speed, goal: Goal) -> float:
    """Return the answer tokens per second of a typical turn, including the time to process its new prompt tokens."""
    need = _NEEDS[goal]
    if speed.generation.expected <= 0 or speed.prompt.expected <= 0:
        return 0.0
    seconds = need.prompt_tokens / speed.prompt.expected + need.answer_tokens / speed.generation.expected
    return need.answer_tokens / seconds


def is_as_fast(speed: Speed, other: Speed, goal: Goal) -> bool:
    """Return whether a speed, of generation and of a whole turn, is not lower by more than its own error."""
    generation = speed.generation.expected
    error = min(_MAX_ERROR, speed.generation.high / max(generation, _MIN_SPEED))
    pairs = ((generation, other.generation.expected), (turn_speed(speed, goal), turn_speed(other, goal)))
    return all(rate * error >= wanted for rate, wanted in pairs)


def reaches_minimum(speed: Speed, request: RecommendRequest) -> bool:
    """Return whether a speed reaches the requested minimum within its error; all do if none was requested."""
    return request.minimum_speed is None or speed.generation.high >= request.minimum_speed
