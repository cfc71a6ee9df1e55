"""Converts LoadParameters to llama.cpp's model params: tensor placement and loading."""

import ctypes

import llama_cpp.llama_cpp as C  # noqa: N812 - as in llama.py
from llama_cpp import _ggml

from g4run.engine.llama import amx, rpc
from g4run.engine.log import note
from g4run.engine.parameters import LoadParameters


class _Override(ctypes.Structure):
    """struct llama_model_tensor_buft_override of llama.h."""

    _fields_ = (("pattern", ctypes.c_char_p), ("buffer_type", ctypes.c_void_p))


class ModelParameters:
    """A `llama_model_params` and everything it points to; keep it until the model is loaded."""

    def __init__(self, parameters: LoadParameters) -> None:
        self.raw = C.llama_model_default_params()
        raw = self.raw
        raw.n_gpu_layers = parameters.gpu_layers
        raw.lazy_mode = C.LLAMA_LAZY_MODE_ON if parameters.lazy_table else C.LLAMA_LAZY_MODE_OFF
        raw.use_extra_bufts = parameters.repack
        if not parameters.amx and amx.switch_off(_ggml.libggml):
            note("g4run: AMX is off: it crashes with this build, or was not tried\n")
        if parameters.gpu_layers != 0:
            rpc.add_servers(C._lib, parameters.rpc_servers)  # finds the ggml that llama.cpp uses, if there are copies
        self._no_devices = (ctypes.c_void_p * 1)(None)
        if parameters.gpu_layers == 0:  # otherwise a GPU would hold buffers and take part in long batches
            raw.devices = ctypes.addressof(self._no_devices)
        self._overrides = _expert_overrides(parameters.cpu_expert_layers)
        if parameters.cpu_expert_layers:
            raw.tensor_buft_overrides = ctypes.addressof(self._overrides)
        shares = parameters.gpu_split[: int(C.llama_max_devices())]
        self._split = (ctypes.c_float * max(int(C.llama_max_devices()), 1))(*shares)
        if shares:
            raw.tensor_split = ctypes.cast(self._split, ctypes.POINTER(ctypes.c_float))


def _expert_overrides(layers: int) -> "ctypes.Array[_Override]":
    """Keep the first layers' experts on the CPU, like --n-cpu-moe (common/common.h); a zero entry ends the list."""
    buffer_type = _ggml.libggml.ggml_backend_cpu_buffer_type
    buffer_type.restype = ctypes.c_void_p
    place = buffer_type()
    patterns = [rf"blk\.{layer}\.ffn_(up|down|gate|gate_up)_(ch|)exps".encode() for layer in range(layers)]
    return (_Override * (layers + 1))(*(_Override(pattern, place) for pattern in patterns))
