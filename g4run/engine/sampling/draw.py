"""llama.cpp's sampler chain over pre-filtered candidates: the same distribution at a fraction of the cost."""

import ctypes

import llama_cpp.llama_cpp as C  # noqa: N812 - the C API, as llama.cpp's documentation calls it
import numpy as np

from g4run.engine.parameters import SamplingParameters
from g4run.engine.sampling.top_k import FloatArray, IndexArray, largest

_RANDOM_SEED = 0xFFFFFFFF  # llama.h: LLAMA_DEFAULT_SEED, which llama.cpp replaces with a random one
_MIN_TEMPERATURE = 1e-6  # below, logits divided by it leave the range in which float32 can distinguish them
_LAYOUT = np.dtype([("token", "<i4"), ("logit", "<f4"), ("probability", "<f4")])  # llama.h: llama_token_data
_NUCLEUS_STEPS = (256, 4096)  # top-p first tries this many of the most likely tokens, then the whole row


class SamplerChain:
    """Draws tokens: filters a row with numpy and passes only the remaining candidates to llama.cpp's samplers.

    llama_sampler_sample would copy 262,144 candidates before dropping all but 64. The order is llama.cpp's: top-k,
    typical, top-p, min-p, XTC, temperature (common.h:263).
    """

    def __init__(self, sampling: SamplingParameters) -> None:
        self._sampling = sampling
        self._is_greedy = sampling.temperature < _MIN_TEMPERATURE
        self._cuts_nucleus = sampling.top_k == 0 and sampling.top_p < 1 and sampling.typical_p == 1
        self._chain = None if self._is_greedy else _build_chain(sampling, has_top_p=not self._cuts_nucleus)
        self._token_data = _TokenData()
        self._all_indices: IndexArray = np.zeros(0, np.intp)

    @property
    def candidates(self) -> int | None:
        """Number of most likely tokens that can affect a draw; None for all."""
        return 1 if self._is_greedy else self._sampling.top_k or None

    def draw(self, logits: FloatArray) -> int | None:
        """Draw from the row and return an index into it; None if every entry is -inf or NaN."""
        if self._is_greedy:
            best = int(np.argmax(logits))
            return best if logits[best] > -np.inf else None
        tokens, is_sorted = self._cut(logits)
        if not tokens.size:
            return None
        values = logits if tokens.shape == logits.shape and not is_sorted else logits[tokens]
        return self._token_data.draw(self._chain, tokens, values, is_sorted)

    def close(self) -> None:
        """Free the chain."""
        if self._chain is not None:
            C.llama_sampler_free(self._chain)
            self._chain = None

    def _cut(self, logits: FloatArray) -> tuple[IndexArray, bool]:
        """Return the candidates, and whether they are sorted with the most likely first."""
        if self._sampling.top_k > 0:
            return largest(logits, self._sampling.top_k), True
        if self._cuts_nucleus:
            return _nucleus(logits, self._sampling.top_p), True
        if self._sampling.typical_p == 1 and self._sampling.min_p > 0:
            lowest = logits.max() + np.log(np.float32(self._sampling.min_p))
            return np.flatnonzero((logits >= lowest) & (logits > -np.inf)), False
        if logits.min() > -np.inf:  # usually no token is forbidden, and listing them all takes 0.3 ms
            return self._all_of(logits.shape[0]), False
        return np.flatnonzero(logits > -np.inf), False

    def _all_of(self, size: int) -> IndexArray:
        if self._all_indices.shape[0] != size:
            self._all_indices = np.arange(size)
        return self._all_indices


class _TokenData:
    """A `llama_token_data_array` over a numpy buffer that grows as needed."""

    def __init__(self) -> None:
        self._reserve(64)

    def _reserve(self, capacity: int) -> None:
        self._rows = np.zeros(capacity, _LAYOUT)
        self._tokens = self._rows["token"]
        self._logits = self._rows["logit"]
        self._data = ctypes.cast(self._rows.ctypes.data, C.llama_token_data_p)
        self._array = C.llama_token_data_array()

    def draw(self, chain: object, tokens: IndexArray, logits: FloatArray, is_sorted: bool) -> int:
        """Return the token that a sampler chain selects; needs at least one candidate."""
        count = tokens.shape[0]
        if count > self._rows.shape[0]:
            self._reserve(2 * count)
        self._tokens[:count] = tokens
        self._logits[:count] = logits
        array = self._array
        array.data, array.size, array.selected, array.sorted = self._data, count, -1, is_sorted
        C.llama_sampler_apply(chain, ctypes.byref(array))
        return int(array.data[array.selected].id)  # a sampler may have moved the pointer (llama-sampler.cpp:2386)


def _nucleus(logits: FloatArray, share: float) -> IndexArray:
    """Return the most likely tokens that together reach a share of the probability, best first."""
    highest = logits.max()
    if not highest > -np.inf:
        return np.zeros(0, np.intp)
    weights = np.exp(logits - highest)
    total = float(weights.sum(dtype=np.float64))
    for count in (*_NUCLEUS_STEPS, logits.shape[0]):
        tokens = largest(logits, count)
        reached = np.cumsum(weights[tokens], dtype=np.float64)
        if tokens.size and reached[-1] >= share * total:
            break
    return tokens[: int(np.searchsorted(reached, share * total)) + 1]


def _build_chain(sampling: SamplingParameters, *, has_top_p: bool) -> object:
    chain = C.llama_sampler_chain_init(C.llama_sampler_chain_default_params())
    seed = sampling.seed % _RANDOM_SEED
    if sampling.typical_p < 1:
        C.llama_sampler_chain_add(chain, C.llama_sampler_init_typical(sampling.typical_p, 1))
    if sampling.top_p < 1 and has_top_p:
        C.llama_sampler_chain_add(chain, C.llama_sampler_init_top_p(sampling.top_p, 1))
    if sampling.min_p > 0:
        C.llama_sampler_chain_add(chain, C.llama_sampler_init_min_p(sampling.min_p, 1))
    if sampling.xtc_probability > 0:
        C.llama_sampler_chain_add(
            chain, C.llama_sampler_init_xtc(sampling.xtc_probability, sampling.xtc_threshold, 1, seed)
        )
    C.llama_sampler_chain_add(chain, C.llama_sampler_init_temp(sampling.temperature))
    C.llama_sampler_chain_add(chain, C.llama_sampler_init_dist(seed))
    return chain
