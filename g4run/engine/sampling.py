"""Drawing the next token: top-k first, and log-probabilities without Python loops over the vocabulary."""

import llama_cpp.llama_cpp as C  # noqa: N812 - the C API, as llama.cpp's documentation calls it
import numpy as np

from g4run.engine.llama import Context, FloatArray
from g4run.engine.parameters import SamplingParameters
from g4run.engine.protocol import Alternative

_RANDOM_SEED = 0xFFFFFFFF  # llama.h: LLAMA_DEFAULT_SEED, which llama.cpp replaces by a random one


class Sampler:
    """llama.cpp's sampler chain for one request; top-k comes first, so that the rest sees 64 candidates, not 262,144.

    At temperature 0 the highest logit is taken with numpy (0.02 ms; llama.cpp's greedy sampler takes 0.5).
    """

    def __init__(self, parameters: SamplingParameters) -> None:
        self._chain = None if parameters.temperature == 0 else _build_chain(parameters)

    def draw(self, context: Context, index: int) -> int:
        """Token after the batch's token at `index`."""
        if self._chain is None:
            return int(np.argmax(context.logits(index)))
        return int(C.llama_sampler_sample(self._chain, context.handle, index))

    def close(self) -> None:
        """Free the chain."""
        if self._chain is not None:
            C.llama_sampler_free(self._chain)
            self._chain = None


def _build_chain(parameters: SamplingParameters) -> object:
    chain = C.llama_sampler_chain_init(C.llama_sampler_chain_default_params())
    if parameters.top_k > 0:
        C.llama_sampler_chain_add(chain, C.llama_sampler_init_top_k(parameters.top_k))
    if parameters.top_p < 1:
        C.llama_sampler_chain_add(chain, C.llama_sampler_init_top_p(parameters.top_p, 1))
    if parameters.min_p > 0:
        C.llama_sampler_chain_add(chain, C.llama_sampler_init_min_p(parameters.min_p, 1))
    C.llama_sampler_chain_add(chain, C.llama_sampler_init_temp(parameters.temperature))
    C.llama_sampler_chain_add(chain, C.llama_sampler_init_dist(parameters.seed % _RANDOM_SEED))
    return chain


def logprob_of(logits: FloatArray, token: int) -> float:
    """Natural-log probability of one token under the model's own distribution (temperature 1, no filters)."""
    return float(logits[token]) - _log_sum_exp(logits)


def likeliest(logits: FloatArray, count: int) -> list[Alternative]:
    """The `count` likeliest tokens with their natural-log probabilities, best first; ties by token id."""
    if count <= 0:
        return []
    count = min(count, logits.shape[0])
    best = np.argpartition(-logits, count - 1)[:count]
    best = best[np.lexsort((best, -logits[best]))]
    total = _log_sum_exp(logits)
    return [Alternative(int(token), float(logits[token]) - total) for token in best]


def _log_sum_exp(logits: FloatArray) -> float:
    highest = float(logits.max())
    return highest + float(np.log(np.exp(logits - highest).sum(dtype=np.float64)))
