"""Gemma 4's MTP drafters (architecture `gemma4-assistant`), which share the target's KV cache and hidden states.

A drafter has no cache of its own. For the newest token, whose keys the target has not computed yet, it takes the
target's hidden state from which that token was drawn, attends to the target's keys, and returns logits and a hidden
state for its next draft token. All tokens of a draft use the newest token's position (common/speculative.cpp:1649).
"""

import ctypes
from collections.abc import Sequence
from dataclasses import replace

import llama_cpp.llama_cpp as C  # noqa: N812 - the C API, as llama.cpp's documentation calls it
import numpy as np

from g4run.engine.llama.api import Batch, Context, LlamaError, Model, make_context_parameters
from g4run.engine.llama.hidden_states import ARE_AVAILABLE, copy_hidden_state, keep_hidden_states
from g4run.engine.parameters import LoadParameters

_ARCHITECTURE = "gemma4-assistant"
_SHARED_KEYS = ("attention.key_length", "attention.key_length_swa", "attention.sliding_window")


class MtpDrafter:
    """A drafter's model and context; owns both, and must be closed before the target.

    `parameters` are the target's; `drafter_path` is the drafter's file. Create it before the target decodes anything:
    llama.cpp clears the target's cache, because the two share their cells (src/llama-kv-cache.cpp:119). From then on
    the target keeps the hidden state of each output: embedding length x outputs x 4 bytes, 21 KiB an output at 31B.
    Raises LlamaError for a file that llama.cpp does not load or that belongs to another model, and for a build that
    does not expose hidden states.
    """

    def __init__(self, parameters: LoadParameters, target_model: Model, target: Context) -> None:
        if parameters.drafter_path is None:
            raise ValueError("drafter_path is not set")
        if not ARE_AVAILABLE:
            raise LlamaError("this build of llama.cpp does not expose the hidden states that a drafter needs")
        self._model = Model(replace(parameters, model_path=parameters.drafter_path), lambda _fraction: None)
        try:
            _check_pair(self._model, target_model)
            self._context = _make_context(self._model, parameters, target)
        except LlamaError:
            C.llama_model_free(self._model.handle)
            raise
        self._target = target
        keep_hidden_states(target.handle, keeps=True)
        keep_hidden_states(self._context, keeps=True)
        self._batch = Batch(1, parameters.sequences)
        self._input = np.zeros(C.llama_model_n_embd_out(self._model.handle), np.float32)
        self._batch.raw.embd = self._input.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        self._state = np.zeros_like(self._input)
        self._request_id = self._sequence_id = self._length = -1

    def follow(self, request_id: int, sequence_id: int, length: int, index: int) -> None:
        """Copy the hidden state at `index` of the target's last batch; the batch must have asked for logits there."""
        copy_hidden_state(self._target.handle, index, self._state)
        self._request_id, self._sequence_id, self._length = request_id, sequence_id, length

    def propose(self, request_id: int, tokens: Sequence[int], limit: int) -> list[int]:
        """Return the drafter's most likely continuation; empty unless `follow` was called for the newest token.

        The target's cells of the sequence must end before the newest token: truncate rejected draft tokens first.
        """
        drafted: list[int] = []
        if (request_id, len(tokens)) != (self._request_id, self._length):
            return drafted
        newest = tokens[-1]
        self._input[:] = self._state
        while len(drafted) < limit:
            self._batch.clear()
            self._batch.append(self._sequence_id, self._length - 1, [newest], 1)
            if C.llama_decode(self._context, self._batch.raw) != 0:
                break  # no free cell, or the position is taken: the target will report it
            newest = self._likeliest()
            drafted.append(newest)
            copy_hidden_state(self._context, 0, self._input)
        return drafted

    def close(self) -> None:
        """Free the context and the model, and stop the target from keeping hidden states."""
        if self._context:
            keep_hidden_states(self._target.handle, keeps=False)
            C.llama_free(self._context)
            C.llama_model_free(self._model.handle)
            self._context = None

    def _likeliest(self) -> int:
        logits = C.llama_get_logits_ith(self._context, 0)
        return int(np.ctypeslib.as_array(logits, shape=(self._model.vocabulary_size,)).argmax())


def _check_pair(drafter: Model, target: Model) -> None:
    """Refuse a pair for which llama.cpp would fail an assertion or compute garbage."""
    architecture = _metadata(drafter, "general.architecture")
    if architecture != _ARCHITECTURE:
        raise LlamaError(f"a drafter must have the architecture {_ARCHITECTURE}, not {architecture}")
    pairs = [
        ("vocabulary", str(drafter.vocabulary_size), str(target.vocabulary_size)),
        ("embedding length", *(str(C.llama_model_n_embd_out(model.handle)) for model in (drafter, target))),
        ("number of key heads", *(str(C.llama_model_n_head_kv(model.handle)) for model in (drafter, target))),
    ]
    for key in _SHARED_KEYS:
        pairs.append((key, _metadata(drafter, f"{_ARCHITECTURE}.{key}"), _metadata(target, f"gemma4.{key}")))
    for name, ours, theirs in pairs:
        if ours != theirs:
            raise LlamaError(f"the drafter belongs to another model: its {name} is {ours}, the model's {theirs}")


def _metadata(model: Model, key: str) -> str:
    """Return a scalar of the file's metadata as text; empty if missing."""
    buffer = ctypes.create_string_buffer(64)
    C.llama_model_meta_val_str(model.handle, key.encode(), buffer, len(buffer))
    return buffer.value.decode("utf-8", "replace")


def _make_context(model: Model, parameters: LoadParameters, target: Context) -> object:
    raw = make_context_parameters(parameters)  # sequence ids are the target's
    raw.ctx_type = C.LLAMA_CONTEXT_TYPE_MTP
    raw.ctx_other = target.handle
    raw.n_ctx = target.context_length
    raw.n_batch = raw.n_ubatch = raw.n_outputs_max = parameters.sequences
    context = C.llama_init_from_model(model.handle, raw)
    if not context:
        raise LlamaError("llama.cpp could not create the drafter's context")
    return context
