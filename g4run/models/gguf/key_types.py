"""The number types that llama.cpp requires for metadata keys: it refuses a correct number of another type.

Source: GGUFMeta::GKV::get_kv in src/llama-model-loader.cpp (line 164), gguf.cpp:623 for the alignment (commit
0c1e57098). Each key was tried with every other type that can hold its number.
"""

from g4run.errors import InvalidModelFile
from g4run.models.gguf.header import GgufHeader
from g4run.models.gguf.types import ValueType

_ATTENTION = "gemma4.attention."
_TOKENIZER = "tokenizer.ggml."

# Arrays in place of a number are checked elsewhere: llama.cpp accepts them for some keys.
KEY_TYPES = {
    **dict.fromkeys(
        (
            "general.alignment",
            "general.file_type",
            "gemma4.block_count",
            "gemma4.context_length",
            "gemma4.embedding_length",
            "gemma4.embedding_length_per_layer_input",
            "gemma4.expert_count",
            "gemma4.expert_feed_forward_length",
            "gemma4.expert_used_count",
            "gemma4.feed_forward_length",
            "gemma4.rope.dimension_count",
            "gemma4.rope.dimension_count_swa",
            f"{_ATTENTION}head_count",
            f"{_ATTENTION}head_count_kv",
            f"{_ATTENTION}key_length",
            f"{_ATTENTION}key_length_swa",
            f"{_ATTENTION}shared_kv_layers",
            f"{_ATTENTION}sliding_window",
            f"{_ATTENTION}value_length",
            f"{_ATTENTION}value_length_swa",
            f"{_TOKENIZER}bos_token_id",
            f"{_TOKENIZER}eos_token_id",
            f"{_TOKENIZER}mask_token_id",
            f"{_TOKENIZER}padding_token_id",
            f"{_TOKENIZER}unknown_token_id",
        ),
        ValueType.UINT32,
    ),
    **dict.fromkeys(
        (
            "gemma4.final_logit_softcapping",
            "gemma4.rope.freq_base",
            "gemma4.rope.freq_base_swa",
            f"{_ATTENTION}layer_norm_rms_epsilon",
        ),
        ValueType.FLOAT32,
    ),
    **dict.fromkeys((f"{_TOKENIZER}add_bos_token", f"{_TOKENIZER}add_space_prefix"), ValueType.BOOL),
}


def check_key_types(header: GgufHeader) -> None:
    """Raise InvalidModelFile if a number does not have the type that llama.cpp requires."""
    for key, wanted in KEY_TYPES.items():
        found = header.types.get(key, wanted)
        if found not in (wanted, ValueType.ARRAY):
            raise InvalidModelFile(
                f"{key} is of type {found.name}, but llama.cpp needs {wanted.name}",
                "use a file from another conversion",
            )
