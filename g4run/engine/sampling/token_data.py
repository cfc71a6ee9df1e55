"""llama.cpp's token data array: the candidates that a sampler chain works on."""

import ctypes

import llama_cpp.llama_cpp as C  # noqa: N812 - the C API, as llama.cpp's documentation calls it
import numpy as np

from g4run.engine.sampling.top_k import FloatArray, IndexArray

_LAYOUT = np.dtype([("token", "<i4"), ("logit", "<f4"), ("probability", "<f4")])  # llama.h: llama_token_data


class TokenDataArray:
    """A `llama_token_data_array` over a numpy buffer that grows as needed."""

    def __init__(self, capacity: int = 64) -> None:
        self._reserve(capacity)

    def _reserve(self, capacity: int) -> None:
        self._rows = np.zeros(capacity, _LAYOUT)
        self._tokens = self._rows["token"]
        self._logits = self._rows["logit"]
        self._data = ctypes.cast(self._rows.ctypes.data, C.llama_token_data_p)
        self._array = C.llama_token_data_array()

    def draw(self, chain: object, tokens: IndexArray, logits: FloatArray, is_sorted: bool) -> int:
        """Return the token that a sampler chain selects; needs at least one candidate."""
        array = self._fill(tokens, logits, is_sorted)
        C.llama_sampler_apply(chain, ctypes.byref(array))
        return int(array.data[array.selected].id)  # a sampler may have moved the pointer (llama-sampler.cpp:2386)

    def _fill(self, tokens: IndexArray, logits: FloatArray, is_sorted: bool) -> C.llama_token_data_array:
        count = tokens.shape[0]
        if count > self._rows.shape[0]:
            self._reserve(2 * count)
        self._tokens[:count] = tokens
        self._logits[:count] = logits
        self._array.data, self._array.size, self._array.selected, self._array.sorted = self._data, count, -1, is_sorted
        return self._array
