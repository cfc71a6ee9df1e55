"""Decodes a prompt with AMX, which crashes the process where AMX is broken (amx.py).

The built-in model's weights are F16, which AMX buffers hold but no tile kernel multiplies (ggml-cpu/amx/mmq.cpp), so a
copy in Q8_0 is decoded: 1.8 MB, quantized in 0.03 s.
"""

import ctypes
import os
from pathlib import Path
from typing import Final

import llama_cpp.llama_cpp as C  # noqa: N812 - as in llama.py

from g4run.engine.llama import api as llama
from g4run.engine.parameters import LoadParameters

_DEMO: Final = Path(__file__).parents[2] / "data" / "demo.gguf"
_PROMPT: Final = (2, *range(300, 331))  # two tiles of 16 tokens
_NEXT_TOKEN: Final = 432


def decodes_rightly() -> bool:
    """Whether the built-in model in Q8_0 predicts the token that it predicts in F16."""
    path = f"/proc/self/fd/{os.memfd_create('g4run-amx')}".encode()  # leaves nothing behind after a crash
    quantization = C.llama_model_quantize_default_params()
    quantization.ftype, quantization.nthread, quantization.pure = C.LLAMA_FTYPE_MOSTLY_Q8_0, 1, True
    if C.llama_model_quantize(os.fsencode(_DEMO), path, ctypes.byref(quantization)) != 0:
        return False
    parameters = LoadParameters(path, context_length=256, threads=1, gpu_layers=0)
    llama.initialize_backend()
    model = llama.Model(parameters, lambda _fraction: None)
    batch = llama.Batch(len(_PROMPT), 1)
    batch.append(0, 0, _PROMPT, 1)
    context = llama.Context(model, parameters)
    return context.decode(batch) == 0 and int(context.logits(len(_PROMPT) - 1).argmax()) == _NEXT_TOKEN
