"""Runs prompts of the built-in model through the prompt cache, in this process."""

from collections.abc import Collection

import numpy as np

from g4run.engine.kv_cache.cached_sequence import CachedSequence, CacheSize
from g4run.engine.kv_cache.prompt_cache import PromptCache
from g4run.engine.llama import api as llama
from g4run.engine.llama.api import FloatArray
from g4run.engine.parameters import LoadParameters
from tests.engine.requests import DEMO_PATH

CONTEXT_LENGTH = 2048
MICRO_BATCH = 32


def load_model() -> llama.Model:
    llama.use_default_log()
    llama.initialize_backend()
    return llama.Model(LoadParameters(DEMO_PATH, CONTEXT_LENGTH, 1), lambda _fraction: None)


class ReuseRunner:
    """A context with its prompt cache that computes one prompt at a time."""

    def __init__(self, model: llama.Model, sequences: int = 2, checkpoint_bytes: int = 1 << 24) -> None:
        parameters = LoadParameters(DEMO_PATH, CONTEXT_LENGTH, 1, sequences=sequences, micro_batch=MICRO_BATCH)
        self.context = llama.Context(model, parameters)
        self._batch = llama.Batch(MICRO_BATCH, sequences)
        size = CacheSize(sequences, CONTEXT_LENGTH, self.context.sliding_cells, model.window, checkpoint_bytes, 1 << 26)
        self.cache = PromptCache(self.context, size)
        self.reused = 0

    def begin(self, tokens: list[int]) -> CachedSequence:
        """Start a prompt and record how much it reuses."""
        sequence = self.cache.start(list(tokens), len(tokens), self.cache.find(tokens))
        self.reused = sequence.computed
        return sequence

    def compute(self, sequence: CachedSequence, end: int, checkpoints: Collection[int] = ()) -> FloatArray:
        """Compute up to `end` tokens, taking the given checkpoints; return the logits after the last one."""
        logits = np.empty(0, np.float32)
        while sequence.computed < end:
            stop = min(
                [end, sequence.computed + MICRO_BATCH, *(each for each in checkpoints if each > sequence.computed)]
            )
            self._batch.clear()
            tokens = sequence.tokens[sequence.computed : stop]
            index = self._batch.append(sequence.sequence_id, sequence.computed, tokens, 1)
            assert self.context.decode(self._batch) == 0
            logits = self.context.logits(index).copy()
            sequence.computed = stop
            if stop in checkpoints:
                self.cache.take_checkpoint(sequence)
        return logits

    def logits(self, tokens: list[int], checkpoints: Collection[int] = ()) -> FloatArray:
        """Return the logits after a prompt and keep its sequence."""
        sequence = self.begin(tokens)
        found = self.compute(sequence, len(tokens), checkpoints)
        self.cache.release(sequence)
        return found
