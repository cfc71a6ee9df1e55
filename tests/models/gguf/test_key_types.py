"""Numbers of the wrong type are refused, as by llama.cpp."""

import struct
from pathlib import Path

import pytest

from g4run.models.gguf.header import parse_header
from g4run.models.gguf.types import VALUE_CODES, ValueType
from tests.fakes.gguf_files import GgufFile
from tests.models.gguf import llama_process
from tests.models.gguf.mutations import S, X, explanation

_ATTENTION = "gemma4.attention."
_TOKENIZER = "tokenizer.ggml."

# Each key was tried with every other type that can hold its number.
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
OTHERS = {
    ValueType.UINT32: ValueType.UINT64,
    ValueType.FLOAT32: ValueType.FLOAT64,
    ValueType.BOOL: ValueType.UINT8,
}


def retyped(key: str) -> GgufFile:
    """Return a valid file, except for the type of one number."""
    file = X if "expert" in key else S
    data = file.header()
    header = parse_header(lambda offset, length: data[offset : offset + length], None)
    value = 32 if key == "general.alignment" else header.metadata[key]
    value = value[0] if isinstance(value, tuple) else value
    other = OTHERS[KEY_TYPES[key]]
    return file.having(key, struct.pack(f"<I{VALUE_CODES[other]}", other, value))


@pytest.mark.parametrize("key", KEY_TYPES)
def test_a_number_of_another_type_is_explained(key: str) -> None:
    wanted = KEY_TYPES[key]
    assert explanation(retyped(key)) == (f"{key} is of type {OTHERS[wanted].name}, but llama.cpp needs {wanted.name}")


@pytest.mark.parametrize("key", KEY_TYPES)
def test_llama_cpp_refuses_it_too(key: str, tmp_path: Path) -> None:
    outcome = llama_process.run("decode", str(retyped(key).write(tmp_path / "model.gguf")), "64")
    assert outcome == llama_process.Outcome(False, ("refused",))
