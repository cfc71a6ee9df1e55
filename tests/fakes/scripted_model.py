"""A loaded model that plays scripted answers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from g4run.chat.messages import Conversation
from g4run.chat.parse import TextDelta, ThinkingDelta, ToolCallEvent
from g4run.errors import G4RunError
from g4run.runtime.answers.answer import Answer, AnswerOptions, FinishReason, Timings, Usage
from g4run.runtime.model import AnswerEvent, AnswerStream, ChatModel


@dataclass(frozen=True, slots=True)
class Script:
    """One answer: its events, its finish reason, and an interruption before the event of that index."""

    events: Sequence[AnswerEvent]
    finish_reason: FinishReason = FinishReason.STOP
    failure: G4RunError | None = None
    interruption: tuple[int, Callable[[], None]] | None = None


class ScriptedAnswer(AnswerStream):
    """Plays one script; cancelling ends it before its next event."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._is_cancelled = False
        self._seen: list[AnswerEvent] = []

    def __iter__(self) -> Iterator[AnswerEvent]:
        for index, event in enumerate(self._script.events):
            if self._script.interruption and self._script.interruption[0] == index:
                self._script.interruption[1]()
            if self._is_cancelled:
                return
            self._seen.append(event)
            yield event
        if self._script.failure:
            raise self._script.failure

    def cancel(self) -> None:
        self._is_cancelled = True

    @property
    def result(self) -> Answer:
        seen = self._seen
        return Answer(
            content="".join(event.text for event in seen if isinstance(event, TextDelta)),
            thinking="".join(event.text for event in seen if isinstance(event, ThinkingDelta)),
            tool_calls=tuple(event.call for event in seen if isinstance(event, ToolCallEvent)),
            finish_reason=FinishReason.CANCELLED if self._is_cancelled else self._script.finish_reason,
            usage=Usage(prompt_tokens=9, completion_tokens=len(seen)),
            timings=TIMINGS,
            seed=42,
        )


class ScriptedModel(ChatModel):
    """Plays the scripts in order and records the conversations."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = list(scripts)
        self.asked: list[Conversation] = []
        self.is_alive = True

    @property
    def is_ready(self) -> bool:
        return self.is_alive

    @property
    def context_length(self) -> int:
        return 4096

    def answer(self, conversation: Conversation, options: AnswerOptions) -> AnswerStream:
        self.asked.append(conversation)
        return ScriptedAnswer(self._scripts.pop(0))


TIMINGS = Timings(
    load_seconds=1.1,
    prompt_seconds=0.13,
    generation_seconds=2.9,
    total_seconds=4.2,
    prompt_tokens_per_second=200.0,
    generation_tokens_per_second=102.76,
)
