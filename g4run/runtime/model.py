"""A loaded model: takes conversations and streams answers."""

import contextlib
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from g4run.chat.messages import Conversation
from g4run.chat.parse import ResponseParser
from g4run.chat.render import Prompt, PromptFormat, render
from g4run.chat.tokens import CONTROL_TEXTS
from g4run.engine.client import Engine
from g4run.engine.llama.vocabulary import Vocabulary
from g4run.engine.parameters import GenerationParameters
from g4run.models.library import ModelFile
from g4run.planner.values import Plan
from g4run.runtime.answers.answer import Answer, AnswerOptions
from g4run.runtime.answers.answer_parser import AnswerParser
from g4run.runtime.answers.answer_reader import AnswerEvent, AnswerReader
from g4run.runtime.answers.answer_stream import AnswerStream
from g4run.runtime.answers.generation_request import make_parameters
from g4run.runtime.answers.prompt import tokenize_prompt
from g4run.runtime.loader import Loader, LoadStep
from g4run.runtime.loading import LoadOptions, LoadPlan
from g4run.runtime.speeds import record_run
from g4run.settings import Settings

__all__ = ["AnswerEvent", "AnswerStream", "ChatModel", "LoadOptions", "LoadStep"]

_SEEDS = 0xFFFFFFFF  # llama.h reserves 0xFFFFFFFF, LLAMA_DEFAULT_SEED, for a random seed


class ChatModel:
    """A model in its engine, with its vocabulary and prompt format. Close it, or use it as a context manager."""

    def __init__(
        self,
        engine: Engine,
        loader: Loader,
        loaded: LoadPlan,
        vocabulary: Vocabulary,
        format: PromptFormat,
        load_seconds: float,
    ) -> None:
        self._engine = engine
        self._loader = loader
        self._loaded = loaded
        self._vocabulary = vocabulary
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
        """Load a model with the plan that suits this machine now.

        `on_progress` gets the loaded share of the weights, 0 to 1; `on_step` gets each plan before it is loaded, also
        later, when a dead engine restarts.

        Raises UsageError (context too long), LoadFailed, DoesNotFit (memory), InvalidModelFile.
        """
        started = time.monotonic()
        engine = Engine(None, settings.log_directory)
        loader = Loader(model, settings, options, on_step or (lambda _step: None))
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(engine.close)  # also on Ctrl-C: the engine's process must not outlive the attempt
            with ThreadPoolExecutor(1) as executor:  # reads the vocabulary while the engine's process loads the weights
                vocabulary = executor.submit(Vocabulary, model.path, CONTROL_TEXTS)
                loaded = loader.load(engine, on_progress)
                format = PromptFormat.SMALL if model.architecture.is_small else PromptFormat.LARGE
                opened = cls(engine, loader, loaded, vocabulary.result(), format, time.monotonic() - started)
            on_failure.pop_all()
        return opened

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def context_length(self) -> int:
        """Tokens of prompt and answer together, as llama.cpp allocated them."""
        return self._engine.load().context_length

    @property
    def plan(self) -> Plan:
        """How the model was loaded."""
        return self._loaded.plan

    @property
    def is_ready(self) -> bool:
        """Whether the engine is running; if not, the next answer restarts it, which takes as long as loading."""
        return self._engine.is_alive

    def answer(self, conversation: Conversation, options: AnswerOptions) -> AnswerStream:
        """Start an answer, restarting a dead engine.

        Raises UsageError (media, or a grammar or schema that cannot be enforced), DoesNotFit, LoadFailed.
        """
        self._restart_if_dead()
        started = time.monotonic()
        prompt = render(conversation, self._format, thinking=options.thinking)
        tokenized = tokenize_prompt(prompt, self._vocabulary)
        seed = secrets.randbelow(_SEEDS) if options.seed is None else options.seed
        parameters = make_parameters(conversation, options, prompt, self._vocabulary, seed)
        generation = self._engine.generate(list(tokenized.tokens), parameters, tokenized.boundaries)
        reader = AnswerReader(self._vocabulary, options, self._parser(prompt, parameters))
        load_seconds, self._unreported_load_seconds = self._unreported_load_seconds, 0.0
        return AnswerStream(generation, reader, seed, load_seconds, started, on_end=self._record_speed)

    def _parser(self, prompt: Prompt, parameters: GenerationParameters) -> AnswerParser:
        parser = ResponseParser(opens_thought=prompt.opens_thought)
        if parameters.grammar is None:
            return AnswerParser(parser)
        return AnswerParser(parser, self._vocabulary.control_tokens, parameters.thought, is_constrained=True)

    def _restart_if_dead(self) -> None:
        if not self._engine.is_alive:
            started = time.monotonic()
            self._loaded = self._loader.load(self._engine)
            self._unreported_load_seconds += time.monotonic() - started

    def _record_speed(self, answer: Answer) -> None:
        """Record the measured speed for later recommendations."""
        loaded = self._loaded
        record_run(self._loader.settings, loaded.machine, loaded.plan, answer.usage, answer.timings, time.time())

    def close(self) -> None:
        """Stop the engine and free the vocabulary."""
        self._engine.close()
        self._vocabulary.close()
