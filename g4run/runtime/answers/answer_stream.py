"""An answer as a stream of events, and its result at the end."""

import time
from collections.abc import Callable, Iterator

from g4run.engine.client import Generation
from g4run.engine.protocol import Finished
from g4run.runtime.answers.answer import Answer, FinishReason, Timings, Usage
from g4run.runtime.answers.answer_reader import AnswerEvent, AnswerReader


class AnswerStream:
    """An answer that is being generated. Iterate to the end, then read `result`."""

    def __init__(
        self,
        generation: Generation,
        reader: AnswerReader,
        seed: int,
        load_seconds: float,
        started: float,
        *,
        on_end: Callable[[Answer], None],
    ) -> None:
        self._generation = generation
        self._reader = reader
        self._seed = seed
        self._load_seconds = load_seconds
        self._started = started
        self._on_end = on_end
        self._ended_by_text = False  # by a stop string, or an end-of-turn tag spelled as text
        self._ended = started

    def __iter__(self) -> Iterator[AnswerEvent]:
        """Yield the answer's events. Raises WorkerDied, or G4RunError if the engine failed."""
        try:
            for sampled in self._generation:
                if not self._ended_by_text:
                    yield from self._reader.feed(sampled)
                    if self._reader.is_complete:
                        self._ended_by_text = True
                        self._generation.cancel()
            is_truncated = self._generation.finished is not None and self._generation.finished.reason != "stop"
            yield from self._reader.finish(is_truncated=is_truncated)
        finally:
            self._ended = time.monotonic()
        self._on_end(self.result)

    def cancel(self) -> None:
        """Stop soon with finish_reason 'cancelled'. Can be called from any thread and from a signal handler."""
        self._generation.cancel()

    @property
    def result(self) -> Answer:
        """The whole answer, after the iteration has ended. Raises RuntimeError before that."""
        finished = self._generation.finished
        if finished is None:
            raise RuntimeError("the answer has not ended")
        reader = self._reader
        return Answer(
            content="".join(reader.content),
            thinking="".join(reader.thinking),
            tool_calls=tuple(reader.tool_calls),
            finish_reason=self._finish_reason(finished),
            usage=_usage(finished),
            timings=_timings(finished, self._load_seconds, self._load_seconds + self._ended - self._started),
            seed=self._seed,
            logprobs=None if reader.logprobs is None else tuple(reader.logprobs),
        )

    def _finish_reason(self, finished: Finished) -> FinishReason:
        if not self._ended_by_text and finished.reason != "stop":
            return FinishReason(finished.reason)
        return FinishReason.TOOL_CALLS if self._reader.tool_calls else FinishReason.STOP


def _usage(finished: Finished) -> Usage:
    return Usage(
        prompt_tokens=finished.prompt_tokens,
        completion_tokens=finished.generated_tokens,
        cached_tokens=finished.cached_tokens,
        drafted_tokens=finished.drafted_tokens,
        accepted_tokens=finished.accepted_tokens,
    )


def _timings(finished: Finished, load_seconds: float, total_seconds: float) -> Timings:
    decoded = max(0, finished.generated_tokens - 1)  # the first token comes from the prompt's last step
    return Timings(
        load_seconds=load_seconds,
        prompt_seconds=finished.prompt_seconds,
        generation_seconds=finished.generation_seconds,
        total_seconds=total_seconds,
        prompt_tokens_per_second=_rate(finished.evaluated_tokens, finished.prompt_seconds),
        generation_tokens_per_second=_rate(decoded, finished.generation_seconds),
        draft_gain=finished.draft_gain,
    )


def _rate(tokens: int, seconds: float) -> float:
    return tokens / seconds if seconds > 0 else 0.0
