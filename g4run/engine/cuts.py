"""Rows of logits cut to the likeliest tokens by the graph that computes them.

llama.cpp runs the first samplers of a chain in the graph (llama_set_sampler). The row of such a sequence, 1 MiB at
262,144 tokens, is neither copied from a GPU nor searched on the host; what comes is the likeliest tokens and their
logits, softcapping included (src/models/gemma4.cpp:427). Checked on the CPU backend, where they are the row's own to
the bit; not run on a GPU.
"""

import ctypes

import llama_cpp.llama_cpp as C  # noqa: N812 - as in llama.py
import numpy as np

from g4run.engine.llama.api import Context
from g4run.engine.sampling.top_k import FloatArray, IndexArray


class Cuts:
    """Which sequences of a context have their rows cut, to `count` tokens. Used by the thread that owns the context."""

    def __init__(self, context: Context, count: int) -> None:
        self._context = context
        self._count = count
        self._chains: dict[int, object] = {}

    def cut(self, sequence_id: int, *, wanted: bool) -> None:
        """Have a sequence's rows cut from the next decode on, or left whole; nothing happens where it is so already.

        A change has that decode reserve its graph anew: milliseconds on a CPU. Of a sequence that is cut no rows are to
        be had. What the device cannot cut stays whole (llama-sampler.cpp:754), as `candidates` shows.
        """
        if wanted == (sequence_id in self._chains):
            return
        chain = _build_chain(self._count) if wanted else None
        C.llama_set_sampler(self._context.handle, sequence_id, chain)
        if chain is not None:
            self._chains[sequence_id] = chain
        else:
            C.llama_sampler_free(self._chains.pop(sequence_id))

    def candidates(self, index: int) -> tuple[IndexArray, FloatArray] | None:
        """The likeliest tokens after the batch's token at `index`, by id, and their logits; None for a whole row."""
        handle = self._context.handle
        count = int(C.llama_get_sampled_candidates_count_ith(handle, index)) if self._chains else 0
        if count == 0:
            return None
        tokens = np.frombuffer(ctypes.string_at(C.llama_get_sampled_candidates_ith(handle, index), 4 * count), np.int32)
        logits = np.frombuffer(ctypes.string_at(C.llama_get_sampled_logits_ith(handle, index), 4 * count), np.float32)
        order = np.argsort(tokens)  # the graph gives them in any order
        return tokens[order].astype(np.intp), logits[order]


def _build_chain(count: int) -> object:
    """A new one each time: llama.cpp asserts where the same is set again (llama-sampler.cpp:739)."""
    chain = C.llama_sampler_chain_init(C.llama_sampler_chain_default_params())
    C.llama_sampler_chain_add(chain, C.llama_sampler_init_top_k(count))
    return chain
