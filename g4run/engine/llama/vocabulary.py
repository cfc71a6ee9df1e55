"""Text to tokens and back, in the program's process: the worker only sees tokens.

A Vocabulary is llama.cpp's own, read from the model file without the weights.
"""

import ctypes
import os
import re
import weakref
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import llama_cpp.llama_cpp as C  # noqa: N812 - the C API, as llama.cpp's documentation calls it

from g4run.errors import LoadFailed

_LOG_LEVEL_ERROR = 4  # ggml.h: GGML_LOG_LEVEL_ERROR
_NO_DEVICES = (ctypes.c_void_p * 1)(None)  # a null-terminated list
_USUAL_BYTES = 64  # enough for most pieces


def piece_of(vocabulary: object, token: int) -> bytes:
    """Return the bytes of a token; a special token gives its text."""
    capacity = _USUAL_BYTES
    while True:
        buffer = ctypes.create_string_buffer(capacity)
        length = int(C.llama_token_to_piece(vocabulary, token, buffer, capacity, 0, True))
        if length >= 0:
            return buffer.raw[:length]
        capacity = -length


def tokens_of(vocabulary: object, text: bytes, *, parses_special: bool = False) -> list[int]:
    """Tokenize a text without BOS and EOS; USER_DEFINED tokens in it are always recognized."""
    capacity = len(text) + 8  # no token is shorter than a byte
    buffer = (C.llama_token * capacity)()
    count = int(C.llama_tokenize(vocabulary, text, len(text), buffer, capacity, False, parses_special))
    return list(buffer[:count])


class Vocabulary:
    """The vocabulary of a model file. Gemma 4's 262,144 tokens take about 0.7 s and 110 MB. Not thread-safe."""

    def __init__(self, path: Path, control_texts: Iterable[str]) -> None:
        """Read `path`. `control_texts` are the special tokens that `tokenize` must never produce.

        Raises LoadFailed if llama.cpp cannot read the vocabulary.
        """
        errors: list[str] = []
        model = _load_vocabulary(path, errors)
        if not model:
            reason = f": {errors[0]}" if errors else ""
            raise LoadFailed(f"cannot read the vocabulary of {path}{reason}", "check the file, or download it again")
        self._free = weakref.finalize(self, C.llama_model_free, model)
        self._free.atexit = False  # the end of the process frees it anyway
        self._handle = C.llama_model_get_vocab(model)
        found = {text: tokens_of(self._handle, text.encode(), parses_special=True) for text in control_texts}
        self._control_tokens = {text: tokens[0] for text, tokens in found.items() if len(tokens) == 1}
        self._control_pattern = re.compile("|".join(re.escape(text) for text in sorted(control_texts, key=len)[::-1]))

    def close(self) -> None:
        """Free the vocabulary; garbage collection does so too."""
        if self._free.alive:
            self._free()
            del self._handle  # later use raises AttributeError instead of crashing

    def __len__(self) -> int:
        return int(C.llama_vocab_n_tokens(self._handle))

    def control_token(self, text: str) -> int:
        """Return the id of a special token. Raises KeyError if the vocabulary lacks it."""
        return self._control_tokens[text]

    @property
    def control_tokens(self) -> frozenset[int]:
        """Ids of the special tokens in the vocabulary."""
        return frozenset(self._control_tokens.values())

    def tokenize(self, text: str) -> list[int]:
        """Tokenize plain text; a special token spelled out in it stays text.

        llama.cpp matches USER_DEFINED tokens (`<|channel>`, `<|tool_call>`, `<|"|>` ...) even with special parsing off
        (llama-vocab.cpp, tokenizer_st_partition), so the text is split after the first character of each and the parts
        are tokenized separately. All other text is tokenized as it would be within the whole prompt.
        """
        cuts = [0, *(match.start() + 1 for match in self._control_pattern.finditer(text)), len(text)]
        runs = (text[start:end].encode("utf-8", "replace") for start, end in pairwise(cuts))
        return [token for run in runs for token in tokens_of(self._handle, run)]

    def piece(self, token: int) -> bytes:
        """Return the bytes of a token; a special token gives its text."""
        return piece_of(self._handle, token)


class StopStrings:
    """Cuts a text stream before the first stop string; holds back only a possible prefix of one."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = stops
        self._held = ""
        self.has_stopped = False

    def feed(self, text: str) -> str:
        """Return the text that is certain to precede any stop string."""
        if not self._stops or self.has_stopped:
            return "" if self.has_stopped else text
        self._held += text
        starts = [start for stop in self._stops if (start := self._held.find(stop)) >= 0]
        if starts:
            self.has_stopped = True
            return self._release(min(starts))
        return self._release(len(self._held) - self._possible_prefix())

    def finish(self) -> str:
        """Return the text held back, which is not a stop string after all."""
        return "" if self.has_stopped else self._release(len(self._held))

    def _possible_prefix(self) -> int:
        """Return the length of the longest suffix of the held text that is a prefix of a stop string."""
        longest = max(len(stop) for stop in self._stops) - 1
        for length in range(min(longest, len(self._held)), 0, -1):
            if any(stop.startswith(self._held[-length:]) for stop in self._stops):
                return length
        return 0

    def _release(self, length: int) -> str:
        released, self._held = self._held[:length], self._held[length:]
        return released


def _load_vocabulary(path: Path, errors: list[str]) -> object:
    @C.llama_log_callback  # type: ignore[untyped-decorator] # llama_cpp is not typed
    def keep_errors(level: int, text: bytes, _user_data: object) -> None:
        if level == _LOG_LEVEL_ERROR:
            errors.append(text.decode("utf-8", "replace").strip())

    parameters = C.llama_model_default_params()
    parameters.vocab_only = True
    # No devices: by default llama.cpp queries the memory of all of them (llama_prepare_model_devices), and on CUDA that
    # alone takes some hundred MB of each GPU for the life of this process.
    parameters.devices = ctypes.addressof(_NO_DEVICES)
    C.llama_log_set(keep_errors, ctypes.c_void_p(None))
    try:
        return C.llama_model_load_from_file(os.fsencode(path), parameters)
    finally:
        C.llama_log_set(_no_log, ctypes.c_void_p(None))


@C.llama_log_callback  # type: ignore[untyped-decorator] # llama_cpp is not typed
def _no_log(_level: int, _text: bytes, _user_data: object) -> None:
    """Drop the message: llama.cpp must not write to the program's terminal."""
