"""Thin typed wrapper of llama.cpp's C API: a model, its context, and a batch. Each value belongs to one thread.

llama-cpp-python's `Llama` class is not used: it is single-sequence and cannot set what Gemma 4 needs (flash attention
AUTO, a sliding-window cache, the number of outputs).
"""

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import llama_cpp
import llama_cpp.llama_cpp as C  # noqa: N812 - the C API, as llama.cpp's documentation calls it
import numpy as np
import numpy.typing as npt

from g4run.engine.kv_cache.swa_checkpoints import State
from g4run.engine.llama.hidden_states import keep_hidden_states
from g4run.engine.llama.mmap import release_mapped_pages
from g4run.engine.llama.model_params import ModelParameters
from g4run.engine.outputs import max_outputs
from g4run.engine.parameters import LoadParameters
from g4run.kv_types import KvType

KV_TYPES = {KvType.F16: C.GGML_TYPE_F16, KvType.Q8_0: C.GGML_TYPE_Q8_0, KvType.Q4_0: C.GGML_TYPE_Q4_0}

FloatArray = npt.NDArray[np.float32]

LIBRARY_VERSION: str = llama_cpp.__version__
_SLIDING_PADDING = 256  # llama-kv-cache-iswa.cpp: the sliding layers' cells come in such steps


class LlamaError(Exception):
    """A call of llama.cpp failed; its log has the reason."""


def use_default_log() -> None:
    """Let llama.cpp write its log to stderr from C, without a Python callback in the decode loop.

    llama-cpp-python installs a Python callback when it is imported; this takes it out.
    """
    C.llama_log_set(C.llama_log_callback(), ctypes.c_void_p(None))


class Model:
    """Weights and vocabulary of one GGUF file. `progress` is called with 0 to 1 while the weights come."""

    def __init__(self, parameters: LoadParameters, progress: Callable[[float], None]) -> None:
        placed = ModelParameters(parameters)
        makes_copies = parameters.repack and parameters.gpu_layers == 0

        def keep_loading(fraction: float, _user_data: object) -> bool:
            progress(fraction)
            if makes_copies:
                release_mapped_pages()
            return True

        self._callback = C.llama_progress_callback(keep_loading)
        placed.raw.progress_callback = self._callback
        self.handle = C.llama_model_load_from_file(parameters.model_path, placed.raw)
        if not self.handle:
            raise LlamaError("the model could not be loaded")
        self.vocabulary = C.llama_model_get_vocab(self.handle)

    @property
    def vocabulary_size(self) -> int:
        """Number of tokens, which is the length of a row of logits."""
        return int(C.llama_vocab_n_tokens(self.vocabulary))

    @property
    def parameter_count(self) -> int:
        """Number of weights, as llama.cpp counts them (encoders not included)."""
        return int(C.llama_model_n_params(self.handle))

    @property
    def description(self) -> str:
        """Architecture, size and quantization in llama.cpp's words."""
        buffer = ctypes.create_string_buffer(256)
        C.llama_model_desc(self.handle, buffer, len(buffer))
        return buffer.value.decode("utf-8", "replace")

    @property
    def layers(self) -> int:
        """Number of blocks."""
        return int(C.llama_model_n_layer(self.handle))

    @property
    def window(self) -> int:
        """Tokens that a sliding layer sees, the newest included."""
        return int(C.llama_model_n_swa(self.handle))

    def is_end(self, token: int) -> bool:
        """Whether nothing follows this token: `<eos>`, `<turn|>` or `<|tool_response>` of a Gemma 4 vocabulary."""
        return bool(C.llama_vocab_is_eog(self.vocabulary, token))

    def suppressed_tokens(self) -> tuple[int, ...]:
        """Tokens that the file says must never be drawn (the 12B names two)."""
        count = ctypes.c_int32(0)
        tokens = C.llama_vocab_get_suppress_tokens(self.vocabulary, ctypes.byref(count))
        return tuple(int(tokens[index]) for index in range(count.value))


class Context:
    """The cache and the compute buffers of one model, for `sequences` conversations at a time."""

    def __init__(self, model: Model, parameters: LoadParameters) -> None:
        raw = C.llama_context_default_params()
        raw.n_ctx = parameters.context_length
        raw.n_batch = raw.n_ubatch = min(parameters.micro_batch, parameters.context_length)
        raw.n_seq_max = parameters.sequences
        # 0 would mean n_batch: 512 MiB of logits at 262,144 tokens. A batch with more outputs ends the process.
        raw.n_outputs_max = max_outputs(parameters.sequences, raw.n_batch)
        raw.n_threads = raw.n_threads_batch = parameters.threads
        raw.flash_attn_type = C.LLAMA_FLASH_ATTN_TYPE_AUTO
        raw.type_k = raw.type_v = KV_TYPES[parameters.kv_type]
        raw.swa_full = False  # the sliding layers keep their window, not the whole context
        raw.kv_unified = True
        raw.no_perf = True
        self.handle = C.llama_init_from_model(model.handle, raw)
        if not self.handle:
            raise LlamaError("the context could not be made")
        keep_hidden_states(self.handle, keeps=False)
        self._memory = C.llama_get_memory(self.handle)
        self._row = ctypes.c_float * model.vocabulary_size
        self._sequences = parameters.sequences
        self.window = model.window

    @property
    def context_length(self) -> int:
        """Cells of the cache, in tokens; llama.cpp rounds what was asked up to 256."""
        return int(C.llama_n_ctx(self.handle))

    @property
    def micro_batch(self) -> int:
        """Tokens that one decode call may carry."""
        return int(C.llama_n_ubatch(self.handle))

    @property
    def sliding_cells(self) -> int:
        """Cells of the sliding layers' cache (llama-kv-cache-iswa.cpp:71)."""
        cells = min(self.context_length, self.window * self._sequences + self.micro_batch)
        return -(-cells // _SLIDING_PADDING) * _SLIDING_PADDING

    def decode(self, batch: "Batch") -> int:
        """Compute a batch, to its end: 0 is success, 1 a full cache, else a failure (llama.h, llama_decode)."""
        code = int(C.llama_decode(self.handle, batch.raw))
        C.llama_synchronize(self.handle)  # a GPU may still be at work, and the step's time is wanted
        return code

    def logits(self, index: int) -> FloatArray:
        """Logits after the batch's token at `index`, shape [vocabulary]; a view that the next decode overwrites."""
        pointer = C.llama_get_logits_ith(self.handle, index)
        # Not np.ctypeslib.as_array, which takes ten times as long.
        row = self._row.from_address(ctypes.addressof(pointer.contents))
        return np.frombuffer(row, np.float32)  # type: ignore[call-overload, no-any-return] # it takes any buffer

    def first_position(self, sequence_id: int) -> int:
        """Oldest position in the sliding layers; -1 if there is none."""
        return int(C.llama_memory_seq_pos_min(self._memory, sequence_id))

    def truncate(self, sequence_id: int, length: int) -> None:
        """Free the cells of a sequence from position `length` on."""
        C.llama_memory_seq_rm(self._memory, sequence_id, length, -1)

    def copy(self, source: int, target: int, length: int) -> None:
        """Let an empty sequence share the cells of another's first `length` tokens."""
        C.llama_memory_seq_cp(self._memory, source, target, 0, length)

    def size_bytes(self, sequence_id: int, *, whole: bool) -> int:
        """Size of the state of a sequence: of all layers, or of the sliding ones alone."""
        return int(C.llama_state_seq_get_size_ext(self.handle, sequence_id, _state_flags(whole)))

    def save(self, sequence_id: int, *, whole: bool) -> State:
        """State of a sequence. Of the sliding layers it holds the window of the newest token only."""
        state = np.empty(self.size_bytes(sequence_id, whole=whole), np.uint8)
        written = C.llama_state_seq_get_data_ext(
            self.handle, _pointer(state), state.nbytes, sequence_id, _state_flags(whole)
        )
        if written != state.nbytes:
            raise LlamaError(f"a sequence's state has {written} bytes, not {state.nbytes}")
        return state.data

    def restore(self, sequence_id: int, state: State, *, whole: bool) -> bool:
        """Put a state in the place of what those layers hold of a sequence; False if there are no cells for it."""
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


@dataclass(frozen=True, slots=True)
class _Arrays:
    tokens: npt.NDArray[np.int32]
    positions: npt.NDArray[np.int32]
    sequence_counts: npt.NDArray[np.int32]
    sequence_ids: npt.NDArray[np.int32]
    sequence_pointers: npt.NDArray[np.uintp]
    wants_logits: npt.NDArray[np.int8]


class Batch:
    """A llama_batch over numpy arrays: slices are copied in by numpy, 0.8 µs for 512 tokens, not one by one."""

    def __init__(self, capacity: int, sequences: int) -> None:
        self._arrays = _Arrays(
            tokens=np.zeros(capacity, np.int32),
            positions=np.zeros(capacity, np.int32),
            sequence_counts=np.ones(capacity, np.int32),
            sequence_ids=np.arange(sequences, dtype=np.int32),
            sequence_pointers=np.zeros(capacity, np.uintp),
            wants_logits=np.zeros(capacity, np.int8),
        )
        arrays = self._arrays
        self.raw = C.llama_batch(
            n_tokens=0,
            token=arrays.tokens.ctypes.data_as(ctypes.POINTER(C.llama_token)),
            embd=None,
            pos=arrays.positions.ctypes.data_as(ctypes.POINTER(C.llama_pos)),
            n_seq_id=arrays.sequence_counts.ctypes.data_as(ctypes.POINTER(ctypes.c_int32)),
            seq_id=arrays.sequence_pointers.ctypes.data_as(ctypes.POINTER(ctypes.POINTER(C.llama_seq_id))),
            logits=arrays.wants_logits.ctypes.data_as(ctypes.POINTER(ctypes.c_int8)),
        )

    def clear(self) -> None:
        """Empty the batch."""
        self.raw.n_tokens = 0

    def append(self, sequence_id: int, position: int, tokens: Sequence[int], outputs: int) -> int:
        """Add consecutive tokens of one sequence; the index of the first of the last `outputs`, which get logits."""
        arrays, start = self._arrays, int(self.raw.n_tokens)
        end = start + len(tokens)
        arrays.tokens[start:end] = tokens
        arrays.positions[start:end] = np.arange(position, position + len(tokens))
        arrays.sequence_pointers[start:end] = arrays.sequence_ids.ctypes.data + 4 * sequence_id
        arrays.wants_logits[start:end] = 0
        arrays.wants_logits[end - outputs : end] = 1
        self.raw.n_tokens = end
        return end - outputs


def initialize_backend() -> None:
    """Start ggml's backends; once per process."""
    C.llama_backend_init()
