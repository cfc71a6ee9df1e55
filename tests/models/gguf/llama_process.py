"""Load GGUF files with llama.cpp in a separate process, since broken files may crash it.

python -m tests.models.gguf.llama_process dry PATH CONTEXT ...     prints "parameters kv_mib" from an unallocated load
python -m tests.models.gguf.llama_process decode PATH CONTEXT ...  prints "refused" or "finite" after a few tokens
"""

import ctypes
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import llama_cpp
import numpy as np

REPOSITORY = Path(__file__).parents[3]
PROMPT = "Hello wörld 漢字\n\n".encode()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the process ended, and what it printed."""

    has_crashed: bool
    lines: tuple[str, ...]


def run(action: str, *arguments: str) -> Outcome:
    """Run this module in a fresh process; an endless loop counts as a crash."""
    command = [sys.executable, "-m", "tests.models.gguf.llama_process", action, *arguments]
    environment = os.environ | {"GGML_NO_BACKTRACE": "1", "PYTHONWARNINGS": "ignore"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=120, cwd=REPOSITORY, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        return Outcome(True, ())
    assert done.returncode != 1, done.stderr  # a Python exception, so a bug in this module
    return Outcome(done.returncode != 0, tuple(done.stdout.splitlines()))


def _load(path: str, context: int, is_dry: bool) -> tuple[llama_cpp.llama_model_p, llama_cpp.llama_context_p] | None:
    model_parameters = llama_cpp.llama_model_default_params()
    model_parameters.n_gpu_layers = 0
    model_parameters.no_alloc = is_dry
    model_parameters.load_mode = llama_cpp.LLAMA_LOAD_MODE_NONE  # a dry load asserts that nothing is mapped
    model_parameters.use_extra_bufts = False  # no repacked weights: AMX kernels built by gcc 12 crash
    model = llama_cpp.llama_model_load_from_file(path.encode(), model_parameters)
    if not model:
        return None
    context_parameters = llama_cpp.llama_context_default_params()
    context_parameters.n_ctx = context
    context_parameters.swa_full = False
    context_parameters.n_outputs_max = 1
    context_parameters.n_threads = context_parameters.n_threads_batch = 1
    loaded = llama_cpp.llama_init_from_model(model, context_parameters)
    return (model, loaded) if loaded else None


def _dry(path: str, context: int) -> str:
    """Return the parameters and the size of the KV caches, which only llama.cpp's log tells."""
    log: list[str] = []

    def keep(_level: int, text: bytes, _data: ctypes.c_void_p) -> None:
        log.append(text.decode(errors="replace"))

    callback = llama_cpp.llama_log_callback(keep)
    llama_cpp.llama_log_set(callback, ctypes.c_void_p(0))
    loaded = _load(path, context, is_dry=True)
    llama_cpp.llama_log_set(ctypes.cast(0, llama_cpp.llama_log_callback), ctypes.c_void_p(0))
    if not loaded:
        return "refused"
    sizes = re.findall(r"size = +([0-9.]+) MiB \( *[0-9]+ cells", "".join(log))
    return f"{llama_cpp.llama_model_n_params(loaded[0])} {sum(map(float, sizes))}"


def _decoded(path: str, context: int) -> str:
    """Return whether the logits are finite after a prompt, decoded one token per batch."""
    loaded = _load(path, context, is_dry=False)
    if not loaded:
        return "refused"
    model, session = loaded
    vocabulary = llama_cpp.llama_model_get_vocab(model)
    tokens = (llama_cpp.llama_token * 64)()
    count = llama_cpp.llama_tokenize(vocabulary, PROMPT, len(PROMPT), tokens, 64, True, True)
    for position in range(count):
        one = (llama_cpp.llama_token * 1)(tokens[position])
        if llama_cpp.llama_decode(session, llama_cpp.llama_batch_get_one(one, 1)):
            return "refused"
    size = llama_cpp.llama_vocab_n_tokens(vocabulary)
    logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(session, -1), (size,))
    return "finite" if np.isfinite(logits).all() else "not finite"


def main(action: str, arguments: list[str]) -> None:
    """Print a line for each pair of a path and a context length."""
    inspect = _dry if action == "dry" else _decoded
    for path, context in zip(arguments[::2], arguments[1::2], strict=True):
        sys.stdout.write(inspect(path, int(context)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
