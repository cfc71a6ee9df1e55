"""What a model is wanted for: how long a context, how fast, and what speed is worth against quality."""

import math
from dataclasses import dataclass
from enum import StrEnum

from g4run.kv_types import KvType
from g4run.models.names.parse import Size
from g4run.planner.values import Speed


class Goal(StrEnum):
    """What the model is to do."""

    CHAT = "chat"
    CODE = "code"
    VISION = "vision"
    AUDIO = "audio"
    LONG_CONTEXT = "long-context"


class Preference(StrEnum):
    """What counts more."""

    QUALITY = "quality"
    BALANCED = "balanced"
    SPEED = "speed"


@dataclass(frozen=True, slots=True)
class RecommendRequest:
    """What a person asked for; None leaves it to the goal. `size` fixes the size and leaves the quantization open."""

    goal: Goal = Goal.CHAT
    preference: Preference = Preference.BALANCED
    size: Size | None = None
    context: int | None = None  # tokens
    kv_type: KvType | None = None
    minimum_speed: float | None = None  # tokens per second, of generation

    @property
    def wanted_context(self) -> int:
        """The context in tokens, as asked or as the goal needs it."""
        return self.context or _NEEDS[self.goal].context

    @property
    def wanted_speed(self) -> float:
        """Tokens per second below which an answer is too slow; who prefers quality waits twice as long."""
        if self.minimum_speed is not None:
            return self.minimum_speed
        return _NEEDS[self.goal].speed / (2 if self.preference is Preference.QUALITY else 1)

    @property
    def modality(self) -> str | None:
        """What the model must take besides text, by the catalog's word."""
        return {Goal.VISION: "image", Goal.AUDIO: "audio"}.get(self.goal)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One combination of what may give way: the context in tokens, and the cache's number format."""

    context: int
    kv_type: KvType


@dataclass(frozen=True, slots=True)
class _Need:
    """A goal's context in tokens, its least speed in tokens per second, and the length of a usual turn in tokens.

    5 tokens/s is a little above what people read; code is read faster and comes in longer answers. Judgements.
    """

    context: int
    speed: float
    prompt_tokens: int  # what is new in a turn: what was said before is kept
    answer_tokens: int


@dataclass(frozen=True, slots=True)
class _Weight:
    """What doubling the speed is worth in steps of quality, up to where it is fast enough and from there on."""

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
    """What is tried one after the other until something fits; what a person fixed stays.

    The context gives way before the cache's type: a q8_0 cache costs 26B as much as a 5-bit file does, a q4_0 one more
    than a 4-bit file (localbench: divergences of 0.377 and 1.088).
    """
    contexts = [request.wanted_context]
    while request.context is None and contexts[-1] > _MIN_CONTEXT:
        contexts.append(contexts[-1] // 2)
    types = (KvType.F16, KvType.Q8_0, KvType.Q4_0) if request.kv_type is None else (request.kv_type,)
    return tuple(Attempt(context, kv_type) for kv_type in types for context in contexts)


def usefulness(quality: float, speed: Speed, request: RecommendRequest) -> float:
    """What a candidate is worth to who asked: quality in steps, and what its speed adds."""
    return quality + _worth_of_speed(turn_speed(speed, request.goal), _WEIGHTS[request.preference])


def max_usefulness(quality: float, request: RecommendRequest) -> float:
    """What a candidate of that quality could be worth at most."""
    return quality + _worth_of_speed(_MAX_SPEED, _WEIGHTS[request.preference])


def _worth_of_speed(rate: float, weight: _Weight) -> float:
    within = math.log2(min(max(rate, _MIN_SPEED), weight.enough))
    return weight.below * within + weight.above * math.log2(max(1.0, rate / weight.enough))


def turn_speed(speed: Speed, goal: Goal) -> float:
    """Tokens of the answer per second of a usual turn, the reading of what is new in it included."""
    need = _NEEDS[goal]
    if speed.generation.expected <= 0 or speed.prompt.expected <= 0:
        return 0.0
    seconds = need.prompt_tokens / speed.prompt.expected + need.answer_tokens / speed.generation.expected
    return need.answer_tokens / seconds
