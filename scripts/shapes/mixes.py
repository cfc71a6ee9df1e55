"""Quantization mixes: which type llama.cpp's quantizer gives each tensor."""

from collections.abc import Sequence
from dataclasses import dataclass

from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

from scripts.shapes.sizes import VOCABULARY_SIZE, Shape
from scripts.shapes.tensors import Tensor, tensor_shapes


@dataclass(frozen=True, slots=True)
class Mix:
    """A quantization: the type of most matrices, and llama.cpp's rules for the sensitive ones.

    Rules: src/llama-quant.cpp, llama_tensor_get_type_impl. `more` goes to attn_v and ffn_down of the layers that
    matter most; `first` to attn_v of the first four layers and ffn_down of the first eighth.
    """

    file_type: int  # LLAMA_FTYPE_*
    base: str
    more: str = ""
    first: str = ""

    @property
    def embedding(self) -> str:
        """The type of the tied embeddings, which are the output matrix too."""
        return self.base if self.base in ("F16", "BF16", "Q8_0") else "Q6_K"


MIXES = {
    "F16": Mix(1, "F16"),
    "BF16": Mix(32, "BF16"),
    "Q8_0": Mix(7, "Q8_0"),
    "Q4_0": Mix(2, "Q4_0"),  # also the mix of Google's quantization-aware files
    "Q4_K_S": Mix(14, "Q4_K", first="Q5_K"),
    "Q4_K_M": Mix(15, "Q4_K", more="Q6_K"),
    "Q5_K_S": Mix(16, "Q5_K"),
    "Q5_K_M": Mix(17, "Q5_K", more="Q6_K"),
    "Q6_K": Mix(18, "Q6_K"),
}
FALLBACKS = {"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}  # for rows that are not whole blocks of 256


def quantized_tensors(shape: Shape, mix: Mix, vocabulary_size: int = VOCABULARY_SIZE) -> list[Tensor]:
    """Every tensor with the type that llama.cpp's quantizer gives it."""
    listed = list(tensor_shapes(shape, vocabulary_size))
    values = [name for name, _ in listed if name.endswith("attn_v.weight")]
    return [Tensor(name, size, _kind(name, size, mix, shape.layers, values)) for name, size in listed]


def _kind(name: str, size: Sequence[int], mix: Mix, layers: int, values: list[str]) -> str:
    if len(size) == 1 or "ffn_gate_inp" in name:
        return "F32"
    if name.startswith("per_layer_model_proj"):
        return "F16" if mix.base == "F16" else "BF16"
    kind = mix.base
    if name.endswith("token_embd.weight"):
        kind = mix.embedding
    elif name in values:
        index = values.index(name)
        kind = _sensitive(mix, index, len(values), first=4)
    elif ".ffn_down" in name:
        kind = _sensitive(mix, int(name.split(".")[1]), layers, first=layers // 8)
    block, _ = GGML_QUANT_SIZES[GGMLQuantizationType[kind]]
    return kind if size[0] % block == 0 else FALLBACKS[kind]


def _sensitive(mix: Mix, index: int, count: int, first: int) -> str:
    eighth = count // 8
    needs_more = index < eighth or index >= 7 * count // 8 or (index - eighth) % 3 == 2
    if mix.more and needs_more:
        return mix.more
    return mix.first if mix.first and index < first else mix.base
