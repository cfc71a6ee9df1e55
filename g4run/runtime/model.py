"""A loaded model one can talk to: conversations in, answers out as they come."""

import dataclasses
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeAlias

from g4run.chat.messages import Conversation, ToolCall
from g4run.chat.parse import Ended, Event, ResponseParser, TextDelta, ThinkingDelta, ToolCallEvent
from g4run.chat.render import PromptFormat, render
from g4run.chat.tokens import CONTROL_TEXTS
from g4run.engine.client import Engine, Generation
from g4run.engine.parameters import GenerationParameters
from g4run.engine.protocol import Finished, Sampled
from g4run.engine.text import Detokenizer, StopStrings, Vocabulary
from g4run.models.library import ModelFile
from g4run.planner.values import Plan
from g4run.runtime.answer import Answer, AnswerOptions, FinishReason, Timings, TokenLogprob, Usage
from g4run.runtime.loader import Loader, LoadStep
from g4run.runtime.loading import LoadOptions, LoadPlan
from g4run.runtime.prompt import tokenize_prompt
from g4run.runtime.speeds import remember
from g4run.settings import Settings

__all__ = ["AnswerEvent", "Answering", "ChatModel", "LoadOptions", "LoadStep"]

AnswerEvent: TypeAlias = ThinkingDelta | TextDelta | ToolCallEvent

_SEEDS = 0xFFFFFFFF  # llama.h keeps 0xFFFFFFFF, LLAMA_DEFAULT_SEED, for a seed of its own drawing


class ChatModel:
    """A model in its engine, with its vocabulary and its prompt format. Close it, or use it as a context manager."""

    def __init__(self, engine: Engine, loading: "_Loading", format: PromptFormat, load_seconds: float) -> None:
        self._engine = engine
        self._loader = loading.loader
        self._loaded = loading.plan
        self._vocabulary = loading.vocabulary
        self._format = format
        self.load_seconds = load_seconds
        self._unreported_load_seconds = load_seconds  # part of the next answer's timings

    @classmethod
    def open(
        cls,
        model: ModelFile,
        settings: Settings,
        options: LoadOptions,
        on_progress: Callable[[float], None] | None = None,
        on_step: Callable[[LoadStep], None] | None = None,
    ) -> Self:
        """Load a model by the plan that suits this machine now.

        `on_progress` gets the share of its weights that is there, 0 to 1; `on_step` what is about to be loaded, also
        later, when an engine that died is started again.

        Raises UsageError (context too long), LoadFailed, DoesNotFit (memory), InvalidModelFile.
        """
        started = time.monotonic()
        engine = Engine(None, settings.log_directory)
        loader = Loader(model, settings, options, on_step or (lambda _step: None))
        try:
            loading = _load_both(engine, loader, model.path, on_progress)
        except BaseException:  # also Ctrl-C: the engine's process must not outlive the attempt
            engine.close()
            raise
        format = PromptFormat.SMALL if model.architecture.is_small else PromptFormat.LARGE
        return cls(engine, loading, format, time.monotonic() - started)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def context_length(self) -> int:
        """Tokens of prompt and answer together, as llama.cpp made it."""
        return self._engine.load().context_length

    @property
    def plan(self) -> Plan:
        """How the model was loaded."""
        return self._loaded.plan

    @property
    def is_ready(self) -> bool:
        """Whether the engine runs; if not, the next answer starts it again, which takes as long as loading did."""
        return self._engine.is_alive

    @property
    def log_path(self) -> Path | None:
        """Log of the engine's present process."""
        return self._engine.log_path

    @property
    def engine_pid(self) -> int | None:
        """Process id of the engine."""
        return self._engine.worker_pid

    def count_tokens(self, conversation: Conversation, *, thinking: bool = False) -> int:
        """Length of the conversation's prompt in tokens."""
        return len(tokenize_prompt(render(conversation, self._format, thinking=thinking), self._vocabulary))

    def answer(self, conversation: Conversation, options: AnswerOptions) -> "Answering":
        """Start an answer; a dead engine is started again. Raises UsageError for media, DoesNotFit, LoadFailed."""
        self._start_again_if_dead()
        started = time.monotonic()
        prompt = render(conversation, self._format, thinking=options.thinking)
        tokens = tokenize_prompt(prompt, self._vocabulary)
        seed = secrets.randbelow(_SEEDS) if options.seed is None else options.seed
        parameters = GenerationParameters(
            max_tokens=options.max_tokens,
            sampling=dataclasses.replace(options.sampling, seed=seed),
            logprobs=options.logprobs,
        )
        generation = self._engine.generate(tokens, parameters)
        reader = _AnswerReader(self._vocabulary, options, ResponseParser(opens_thought=prompt.opens_thought))
        load_seconds, self._unreported_load_seconds = self._unreported_load_seconds, 0.0
        return Answering(generation, reader, seed, load_seconds, started, on_end=self._remember)

    def _start_again_if_dead(self) -> None:
        if not self._engine.is_alive:
            started = time.monotonic()
            self._loaded = self._loader.load(self._engine)
            self._unreported_load_seconds += time.monotonic() - started

    def _remember(self, answer: Answer) -> None:
        """Keep the speed that was reached, for the next time that somebody asks how fast this model is here."""
        loaded = self._loaded
        remember(self._loader.settings, loaded.machine, loaded.plan, answer.usage, answer.timings, time.time())

    def close(self) -> None:
        """End the engine and free the vocabulary."""
        self._engine.close()
        self._vocabulary.close()


class Answering:
    """An answer that is being written. Iterate to its end; then `result` is the whole."""

    def __init__(
        self,
        generation: Generation,
        reader: "_AnswerReader",
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
        self._ended_by_its_text = False  # by a stop string, or by a turn's end written out
        self._ended = started

    def __iter__(self) -> Iterator[AnswerEvent]:
        """Yield what the answer consists of. Raises WorkerDied, or G4RunError where the engine could not serve it."""
        try:
            for sampled in self._generation:
                if not self._ended_by_its_text:
                    yield from self._reader.feed(sampled)
                    self._end_if_complete()
            is_cut = self._generation.finished is not None and self._generation.finished.reason != "stop"
            yield from self._reader.finish(is_cut=is_cut)
        finally:
            self._ended = time.monotonic()
        self._on_end(self.result)

    def cancel(self) -> None:
        """Stop soon; the iteration ends with finish_reason 'cancelled'. From any thread, and from a signal handler."""
        self._generation.cancel()

    def _end_if_complete(self) -> None:
        if self._reader.is_complete:
            self._ended_by_its_text = True
            self._generation.cancel()

    @property
    def result(self) -> Answer:
        """The whole answer, once the iteration has ended. RuntimeError before that."""
        finished = self._generation.finished
        if finished is None:
            raise RuntimeError("the answer has not ended")
        reader = self._reader
        return Answer(
            content="".join(reader.content),
            thinking="".join(reader.thinking),
            tool_calls=tuple(reader.tool_calls),
            finish_reason=self._finish_reason(finished),
            usage=Usage(finished.prompt_tokens, finished.generated_tokens),
            timings=_timings(finished, self._load_seconds, self._load_seconds + self._ended - self._started),
            seed=self._seed,
            logprobs=None if reader.logprobs is None else tuple(reader.logprobs),
        )

    def _finish_reason(self, finished: Finished) -> FinishReason:
        if not self._ended_by_its_text and finished.reason == "length":
            return FinishReason.LENGTH
        if not self._ended_by_its_text and finished.reason == "cancelled":
            return FinishReason.CANCELLED
        return FinishReason.TOOL_CALLS if self._reader.tool_calls else FinishReason.STOP


class _AnswerReader:
    """Tokens of one answer to its events; keeps what came."""

    def __init__(self, vocabulary: Vocabulary, options: AnswerOptions, parser: ResponseParser) -> None:
        self._vocabulary = vocabulary
        self._detokenizer = Detokenizer()
        self._stops = StopStrings(options.stop)
        self._parser = parser
        self._has_ended = False
        self.content: list[str] = []
        self.thinking: list[str] = []
        self.tool_calls: list[ToolCall] = []
        self.logprobs: list[TokenLogprob] | None = None if options.logprobs is None else []

    @property
    def is_complete(self) -> bool:
        """Whether nothing that may still come belongs to the answer."""
        return self._has_ended or self._stops.has_stopped

    def feed(self, sampled: Sampled) -> Iterator[AnswerEvent]:
        """Events that one more token completes."""
        piece = self._vocabulary.piece(sampled.token)
        if self.logprobs is not None:
            self.logprobs.append(self._logprob(sampled, piece))
        text = self._detokenizer.feed(piece)
        if text:
            yield from self._read(self._parser.feed(text))

    def finish(self, *, is_cut: bool) -> Iterator[AnswerEvent]:
        """Events that were held back to the end; `is_cut` says that the model had not ended by itself."""
        if not self.is_complete:
            yield from self._read([*self._parser.feed(self._detokenizer.finish()), *self._parser.finish(is_cut=is_cut)])
        rest = self._stops.finish()
        if rest:
            self.content.append(rest)
            yield TextDelta(rest)

    def _read(self, events: list[Event]) -> Iterator[AnswerEvent]:
        for event in events:
            if isinstance(event, Ended):
                self._has_ended = True
            elif not self._stops.has_stopped:
                yield from self._keep(event)

    def _keep(self, event: AnswerEvent) -> Iterator[AnswerEvent]:
        if isinstance(event, TextDelta):
            text = self._stops.feed(event.text)
            if text:
                self.content.append(text)
                yield TextDelta(text)
        elif isinstance(event, ThinkingDelta):
            self.thinking.append(event.text)
            yield event
        else:
            call = dataclasses.replace(event.call, id=event.call.id or f"call_{secrets.token_hex(4)}")
            self.tool_calls.append(call)
            yield ToolCallEvent(call)

    def _logprob(self, sampled: Sampled, piece: bytes) -> TokenLogprob:
        return TokenLogprob(
            text=piece.decode("utf-8", "replace"),
            logprob=sampled.logprob or 0.0,
            alternatives=tuple(
                (self._vocabulary.piece(other.token).decode("utf-8", "replace"), other.logprob)
                for other in sampled.alternatives
            ),
        )


@dataclasses.dataclass(frozen=True, slots=True)
class _Loading:
    """What a model consists of once it is loaded."""

    loader: Loader
    plan: LoadPlan
    vocabulary: Vocabulary


def _load_both(engine: Engine, loader: Loader, path: Path, on_progress: Callable[[float], None] | None) -> _Loading:
    """Load the weights in the engine's process and, meanwhile, the vocabulary in this one."""
    with ThreadPoolExecutor(1) as executor:
        vocabulary = executor.submit(Vocabulary, path, CONTROL_TEXTS)
        plan = loader.load(engine, on_progress)
        return _Loading(loader, plan, vocabulary.result())


def _timings(finished: Finished, load_seconds: float, total_seconds: float) -> Timings:
    decoded = max(0, finished.generated_tokens - 1)  # the first token came with the prompt's last step
    return Timings(
        load_seconds=load_seconds,
        prompt_seconds=finished.prompt_seconds,
        generation_seconds=finished.generation_seconds,
        total_seconds=total_seconds,
        prompt_tokens_per_second=_rate(finished.prompt_tokens, finished.prompt_seconds),
        generation_tokens_per_second=_rate(decoded, finished.generation_seconds),
    )


def _rate(tokens: int, seconds: float) -> float:
    return tokens / seconds if seconds > 0 else 0.0
