"""llama.cpp's own sampler chain over a whole row, built as in common/sampling.cpp, for comparison."""

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

import llama_cpp.llama_cpp as C  # noqa: N812 - the C API, as llama.cpp's documentation calls it
import numpy as np
import numpy.typing as npt

from g4run.engine.parameters import SamplingParameters
from g4run.engine.sampling.token_table import TokenTable

_BREAKERS = (b"\n", b":", b'"', b"*")


def silence() -> None:
    """Silence llama.cpp's log."""
    C.llama_log_set(_no_log, ctypes.c_void_p(None))


class LoadedVocabulary:
    """The vocabulary of a model file as llama.cpp's functions take it; free it with close()."""

    def __init__(self, path: Path) -> None:
        silence()
        parameters = C.llama_model_default_params()
        parameters.vocab_only = True
        self._model = C.llama_model_load_from_file(os.fsencode(path), parameters)
        assert self._model
        self.pointer = int(C.llama_model_get_vocab(self._model))
        self.size = int(C.llama_vocab_n_tokens(self.pointer))
        self.table = TokenTable(self.pointer)

    def close(self) -> None:
        C.llama_model_free(self._model)

    def tokens(self, text: str) -> list[int]:
        raw = text.encode()
        buffer = (C.llama_token * (len(raw) + 8))()
        count = C.llama_tokenize(self.pointer, raw, len(raw), buffer, len(buffer), False, True)
        assert count >= 0
        return list(buffer[:count])

    def token(self, text: str) -> int:
        (token,) = self.tokens(text)
        return token


class LlamaChain:
    """llama.cpp's bias, penalties, DRY, top-k, typical, top-p, min-p, XTC, temperature and draw."""

    def __init__(self, sampling: SamplingParameters, vocabulary: LoadedVocabulary, context_length: int = 4096) -> None:
        self._whole = C.llama_sampler_chain_init(C.llama_sampler_chain_default_params())
        self._adjusting = _adjusting(sampling, vocabulary, context_length)
        for sampler in (*self._adjusting, *_drawing(sampling)):
            C.llama_sampler_chain_add(self._whole, sampler)

    def adjusted(self, logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        rows = _rows(logits)
        array = _array(rows)
        for sampler in self._adjusting:
            C.llama_sampler_apply(sampler, ctypes.byref(array))
        return rows["logit"].copy()

    def draw(self, logits: npt.NDArray[np.float32]) -> int:
        rows = _rows(logits)
        array = _array(rows)
        C.llama_sampler_apply(self._whole, ctypes.byref(array))
        token = int(array.data[array.selected].id)
        self.accept([token])
        return token

    def sample(self, context: object, index: int) -> int:
        return int(C.llama_sampler_sample(self._whole, context, index))

    def accept(self, tokens: Sequence[int]) -> None:
        for token in tokens:
            C.llama_sampler_accept(self._whole, token)

    def close(self) -> None:
        C.llama_sampler_free(self._whole)


def _adjusting(sampling: SamplingParameters, vocabulary: LoadedVocabulary, context_length: int) -> list[object]:
    biases = (C.llama_logit_bias * max(1, len(sampling.logit_bias)))(*sampling.logit_bias)
    breakers = (ctypes.c_char_p * len(_BREAKERS))(*_BREAKERS)
    last = context_length if sampling.repeat_last_n < 0 else sampling.repeat_last_n
    window = context_length if sampling.dry_last_n < 0 else sampling.dry_last_n
    return [
        C.llama_sampler_init_logit_bias(vocabulary.size, len(sampling.logit_bias), biases),
        C.llama_sampler_init_penalties(
            vocabulary.size, last, sampling.repeat_penalty, sampling.frequency_penalty, sampling.presence_penalty
        ),
        C.llama_sampler_init_dry(
            vocabulary.pointer,
            sampling.dry_multiplier,
            sampling.dry_base,
            sampling.dry_allowed_length,
            window,
            breakers,
            len(_BREAKERS),
        ),
    ]


def _drawing(sampling: SamplingParameters) -> list[object]:
    if sampling.temperature == 0:
        return [C.llama_sampler_init_greedy()]
    return [
        C.llama_sampler_init_top_k(sampling.top_k),
        C.llama_sampler_init_typical(sampling.typical_p, 1),
        C.llama_sampler_init_top_p(sampling.top_p, 1),
        C.llama_sampler_init_min_p(sampling.min_p, 1),
        C.llama_sampler_init_xtc(sampling.xtc_probability, sampling.xtc_threshold, 1, sampling.seed),
        C.llama_sampler_init_temp(sampling.temperature),
        C.llama_sampler_init_dist(sampling.seed),
    ]


def _rows(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.void]:
    rows = np.zeros(len(logits), np.dtype([("id", "<i4"), ("logit", "<f4"), ("p", "<f4")]))
    rows["id"], rows["logit"] = np.arange(len(logits)), logits
    return rows


def _array(rows: npt.NDArray[np.void]) -> C.llama_token_data_array:
    return C.llama_token_data_array(rows.ctypes.data_as(C.llama_token_data_p), len(rows), -1, False)


@C.llama_log_callback  # type: ignore[untyped-decorator] # llama_cpp is not typed
def _no_log(_level: int, _text: bytes, _user_data: object) -> None:
    """Drop the message."""
