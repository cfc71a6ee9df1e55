"""A thin typed wrapper of llama.cpp's C API: model, context and batch. Each object belongs to one thread.

llama-cpp-python's `Llama` class is not used: it has a single sequence and cannot set what Gemma 4 needs (flash
attention AUTO, a sliding-window cache, the number of outputs).
"""

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import llama_cpp
import llama_cpp.llama_cpp as C  # noqa: N812 - the C API, as llama.cpp's documentation calls it
import numpy as np
import numpy.typing as npt

from g4run.engine.kv_cache.swa_checkpoints import State
from g4run.engine.limits import max_outputs
from g4run.engine.llama.hidden_states import keep_hidden_states
from g4run.engine.llama.mmap import release_mapped_pages
from g4run.engine.llama.model_params import ModelParameters
from g4run.engine.parameters import LoadParameters
from g4run.kv_types import KvType

KV_TYPES = {KvType.F16: C.GGML_TYPE_F16, KvType.Q8_0: C.GGML_TYPE_Q8_0, KvType.Q4_0: C.GGML_TYPE_Q4_0}

FloatArray = npt.NDArray[np.float32]

LIBRARY_VERSION: str = llama_cpp.__version__
_SLIDING_PADDING = 256  # llama-kv-cache-iswa.cpp: the sliding layers' cells are a multiple of this


class LlamaError(Exception):
    """A llama.cpp call failed; the log has the reason."""


def use_default_log() -> None:
    """Remove the Python callback that llama-cpp-python installs on import: llama.cpp logs to stderr from C."""
    C.llama_log_set(C.llama_log_callback(), ctypes.c_void_p(None))


class Model:
    """The weights and vocabulary of one GGUF file; calls `progress` with 0 to 1 while loading.

    With `allocates` off, only the metadata is read. `window` is the length of the sliding window in tokens, the newest
    included; `parameter_count` is llama.cpp's count of the weights, without encoders.
    """

    def __init__(
        self, parameters: LoadParameters, progress: Callable[[float], None], *, allocates: bool = True
    ) -> None:
        placed = ModelParameters(parameters)
        if not allocates:
            placed.raw.no_alloc = True
            placed.raw.load_mode = C.LLAMA_LOAD_MODE_NONE  # it asserts that nothing is mapped (llama-model.cpp:2017)
        makes_copies = parameters.repack and parameters.gpu_layers == 0

        def on_progress(fraction: float, _user_data: object) -> bool:
            progress(fraction)
            if makes_copies:
                release_mapped_pages()
            return True

        self._callback = C.llama_progress_callback(on_progress)
        placed.raw.progress_callback = self._callback
        self.handle = C.llama_model_load_from_file(parameters.model_path, placed.raw)
        if not self.handle:
            raise LlamaError("the model could not be loaded")
        self.vocabulary = C.llama_model_get_vocab(self.handle)
        self.vocabulary_size = int(C.llama_vocab_n_tokens(self.vocabulary))
        self.parameter_count = int(C.llama_model_n_params(self.handle))
        self.layers = int(C.llama_model_n_layer(self.handle))
        self.window = int(C.llama_model_n_swa(self.handle))

    def is_end(self, token: int) -> bool:
        """Return whether a token ends generation: Gemma 4's `<eos>`, `<turn|>` or `<|tool_response>`."""
        return bool(C.llama_vocab_is_eog(self.vocabulary, token))

    def suppressed_tokens(self) -> tuple[int, ...]:
        """Return the tokens that must never be drawn according to the file (two for the 12B)."""
        count = ctypes.c_int32(0)
        tokens = C.llama_vocab_get_suppress_tokens(self.vocabulary, ctypes.byref(count))
        return tuple(int(tokens[index]) for index in range(count.value))


def make_context_parameters(parameters: LoadParameters) -> Any:  # llama_cpp is not typed
    """Return what the contexts of a model and of its drafter have in common."""
    raw = C.llama_context_default_params()
    raw.n_seq_max = parameters.sequences
    raw.n_threads = raw.n_threads_batch = parameters.threads
    raw.flash_attn_type = C.LLAMA_FLASH_ATTN_TYPE_AUTO
    raw.swa_full = False  # sliding layers keep only their window
    raw.kv_unified = True
    raw.no_perf = True
    return raw


class Context:
    """The KV cache and the compute buffers of one model.

    `context_length` is the number of the cache's cells, which llama.cpp rounds up to a multiple of 256; `micro_batch`
    is the maximum number of tokens in a decode call.
    """

    def __init__(self, model: Model, parameters: LoadParameters) -> None:
        raw = make_context_parameters(parameters)
        raw.n_ctx = parameters.context_length
        raw.n_batch = raw.n_ubatch = min(parameters.micro_batch, parameters.context_length)
        # 0 would mean n_batch: 512 MiB of logits at 262,144 tokens. A batch with more outputs aborts the process.
        raw.n_outputs_max = max_outputs(parameters.sequences, raw.n_batch)
        raw.type_k = raw.type_v = KV_TYPES[parameters.kv_type]
        self.handle = C.llama_init_from_model(model.handle, raw)
        if not self.handle:
            raise LlamaError("llama.cpp could not create the context")
        keep_hidden_states(self.handle, keeps=False)
        self._memory = C.llama_get_memory(self.handle)
        self._row = ctypes.c_float * model.vocabulary_size
        self.window = model.window
        self.context_length = int(C.llama_n_ctx(self.handle))
        self.micro_batch = int(C.llama_n_ubatch(self.handle))
        cells = min(self.context_length, self.window * parameters.sequences + self.micro_batch)
        self.sliding_cells = -(-cells // _SLIDING_PADDING) * _SLIDING_PADDING  # llama-kv-cache-iswa.cpp:71

    def decode(self, batch: "Batch") -> int:
        """Compute a batch and wait for it: 0 is success, 1 a full cache, else a failure (llama.h, llama_decode)."""
        code = int(C.llama_decode(self.handle, batch.raw))
        C.llama_synchronize(self.handle)  # a GPU may still be working, which would falsify the step's time
        return code

    def logits(self, index: int) -> FloatArray:
        """Return the logits after the batch's token `index`, shape [vocabulary]: a view valid until the next decode."""
        pointer = C.llama_get_logits_ith(self.handle, index)
        # np.ctypeslib.as_array would take ten times as long.
        row = self._row.from_address(ctypes.addressof(pointer.contents))
        return np.frombuffer(row, np.float32)  # type: ignore[call-overload, no-any-return] # it accepts any buffer

    def first_position(self, sequence_id: int) -> int:
        """Return the oldest position in the sliding layers; -1 if there is none."""
        return int(C.llama_memory_seq_pos_min(self._memory, sequence_id))

    def truncate(self, sequence_id: int, length: int) -> None:
        """Free the cells of a sequence from position `length` on."""
        C.llama_memory_seq_rm(self._memory, sequence_id, length, -1)

    def copy(self, source: int, target: int, length: int) -> None:
        """Share the cells of the first `length` tokens of `source` with the empty sequence `target`."""
        C.llama_memory_seq_cp(self._memory, source, target, 0, length)

    def size_bytes(self, sequence_id: int, *, whole: bool) -> int:
        """Return the size of a sequence's state: all layers, or the sliding ones only."""
        return int(C.llama_state_seq_get_size_ext(self.handle, sequence_id, _state_flags(whole)))

    def save(self, sequence_id: int, *, whole: bool) -> State:
        """Return a sequence's state; for sliding layers, only the newest token's window."""
        state = np.empty(self.size_bytes(sequence_id, whole=whole), np.uint8)
        written = C.llama_state_seq_get_data_ext(
            self.handle, _pointer(state), state.nbytes, sequence_id, _state_flags(whole)
        )
        if written != state.nbytes:
            raise LlamaError(f"llama.cpp wrote {written} bytes of a sequence's state instead of {state.nbytes}")
        return state.data

    def restore(self, sequence_id: int, state: State, *, whole: bool) -> bool:
        """Replace what those layers hold of a sequence with a state; False if there are too few cells."""
        array = np.frombuffer(state, np.uint8)
        read = C.llama_state_seq_set_data_ext(
            self.handle, _pointer(array), array.nbytes, sequence_id, _state_flags(whole)
        )
        return int(read) == array.nbytes

    def clear(self) -> None:
        """Free all cells."""
        C.llama_memory_clear(self._memory, False)


def _state_flags(whole: bool) -> int:
    return 0 if whole else int(C.LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY)


def _pointer(array: npt.NDArray[np.uint8]) -> object:
    return array.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))


class Batch:
    """A llama_batch over numpy arrays, which copy whole slices: 0.8 µs for 512 tokens."""

    def __init__(self, capacity: int, sequences: int) -> None:
        self._tokens, self._positions = np.zeros(capacity, np.int32), np.zeros(capacity, np.int32)
        self._wants_logits = np.zeros(capacity, np.int8)
        self._sequence_counts, self._sequence_ids = np.ones(capacity, np.int32), np.arange(sequences, dtype=np.int32)
        self._sequence_pointers = np.zeros(capacity, np.uintp)
        self.raw = C.llama_batch(
            n_tokens=0,
            token=self._tokens.ctypes.data_as(ctypes.POINTER(C.llama_token)),
            embd=None,
            pos=self._positions.ctypes.data_as(ctypes.POINTER(C.llama_pos)),
            n_seq_id=self._sequence_counts.ctypes.data_as(ctypes.POINTER(ctypes.c_int32)),
            seq_id=self._sequence_pointers.ctypes.data_as(ctypes.POINTER(ctypes.POINTER(C.llama_seq_id))),
            logits=self._wants_logits.ctypes.data_as(ctypes.POINTER(ctypes.c_int8)),
        )

    def clear(self) -> None:
        """Empty the batch."""
        self.raw.n_tokens = 0

    def append(self, sequence_id: int, position: int, tokens: Sequence[int], outputs: int) -> int:
        """Add consecutive tokens of a sequence; return the index of the first of the last `outputs`, with logits."""
        start = int(self.raw.n_tokens)
        end = start + len(tokens)
        self._tokens[start:end] = tokens
        self._positions[start:end] = np.arange(position, position + len(tokens))
        self._sequence_pointers[start:end] = self._sequence_ids.ctypes.data + 4 * sequence_id
        self._wants_logits[start:end] = 0
        self._wants_logits[end - outputs : end] = 1
        self.raw.n_tokens = end
        return end - outputs


def initialize_backend() -> None:
    """Start ggml's backends; call it once per process."""
    C.llama_backend_init()
