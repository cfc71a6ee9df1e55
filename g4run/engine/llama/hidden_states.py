"""A context's hidden states, through symbols outside llama.cpp's C API that a build may lack.

They are C++ symbols (llama-ext.h), which llama-cpp-python binds by their mangled names on import.
"""

import ctypes

import numpy as np
import numpy.typing as npt

try:
    from llama_cpp import llama_cpp_ext as _extension
except (ImportError, AttributeError):  # an older release, or a build without the symbols
    _extension = None

ARE_AVAILABLE = _extension is not None


def keep_hidden_states(context: object, *, keeps: bool) -> None:
    """Set whether a context keeps the hidden state of each output; does nothing if the build cannot.

    Either way, the last layer is from then on computed for the outputs only, not for the rest of a prompt
    (src/models/gemma4.cpp:279 and 379).
    """
    if _extension is not None:
        _extension.llama_set_embeddings_nextn(context, keeps, True)


def copy_hidden_state(context: object, index: int, into: npt.NDArray[np.float32]) -> None:
    """Copy the hidden state of the last batch's output at `index`; the context must keep them."""
    assert _extension is not None
    state = _extension.llama_get_embeddings_nextn_ith(context, index)
    ctypes.memmove(into.ctypes.data, state, into.nbytes)
