import struct
from dataclasses import replace

import pytest

from scripts.shapes.metadata import (
    bool_value,
    float_value,
    floats_value,
    int_value,
    ints_value,
    text_value,
    texts_value,
)
from scripts.shapes.tensors import Tensor
from tests.fakes.gguf_files import foreign_file, patterned_file
from tests.models.gguf.mutations import ATTENTION, TOKENIZER, Mutation, S, X, explanation, with_tensors

# Files that llama.cpp refuses, or takes and then answers nonsense.
REFUSED = {
    "a projector": Mutation(foreign_file("clip"), "this is a projector"),
    "a drafter": Mutation(foreign_file("gemma4-assistant"), "this is a drafter"),
    "an old drafter": Mutation(foreign_file("gemma4_assistant"), "this is a drafter"),
    "a llama": Mutation(foreign_file(), "of architecture 'llama', but g4run runs only Gemma 4"),
    "no architecture": Mutation(S.lacking("general.architecture"), "general.architecture is missing"),
    "a vocabulary": Mutation(replace(S, tensors=()), "the file has no weights"),
    "part of a model": Mutation(S.having("split.count", struct.pack("<IH", 2, 2)), "part 1 of a model in 2 files"),
    **{
        f"no {key}": Mutation(S.lacking(key), key + " is missing")
        for key in (
            *("gemma4.block_count", "gemma4.context_length", "gemma4.embedding_length", "gemma4.feed_forward_length"),
            *("gemma4.embedding_length_per_layer_input", ATTENTION + "sliding_window", ATTENTION + "head_count"),
            *(ATTENTION + "head_count_kv", ATTENTION + "sliding_window_pattern", ATTENTION + "layer_norm_rms_epsilon"),
            *(ATTENTION + "key_length", ATTENTION + "value_length_swa", TOKENIZER + "tokens", TOKENIZER + "merges"),
        )
    },
    "layers as text": Mutation(S.having("gemma4.block_count", text_value("6")), "block_count is not a whole number"),
    "layers as a flag": Mutation(S.having("gemma4.block_count", bool_value(True)), "is not a whole number"),
    "5 layers": Mutation(S.having("gemma4.block_count", int_value(5)), "has 6 items, but the model has 5 layers"),
    "short widths": Mutation(S.having("gemma4.feed_forward_length", ints_value([128] * 5)), "has 5 items"),
    "negative widths": Mutation(S.having("gemma4.feed_forward_length", ints_value([-1] * 6)), "something other than"),
    "short pattern": Mutation(S.having(ATTENTION + "sliding_window_pattern", ints_value([1, 0])), "has 2 items"),
    "pattern of texts": Mutation(
        S.having(ATTENTION + "sliding_window_pattern", texts_value(["s"] * 6)), "is not a list of booleans"
    ),
    "heads differ": Mutation(S.having(ATTENTION + "head_count", ints_value([4, 4, 4, 4, 4, 2])), "differs between"),
    "no heads": Mutation(S.having(ATTENTION + "head_count", int_value(0)), "head_count is 0"),
    "huge width": Mutation(S.having("gemma4.embedding_length", int_value(1 << 31)), "embedding_length is 2147483648"),
    "another width": Mutation(
        S.having("gemma4.embedding_length", int_value(63)),
        "token_embd.weight has the shape (64, 1536), but the metadata require (63, 1536)",
    ),
    "values unlike keys": Mutation(S.having(ATTENTION + "value_length", int_value(32)), "differs from the key length"),
    "no window": Mutation(S.having(ATTENTION + "sliding_window", int_value(0)), "sliding_window is 0"),
    "huge window": Mutation(S.having(ATTENTION + "sliding_window", int_value((1 << 32) - 64)), "sliding_window is"),
    "only sliding layers": Mutation(patterned_file("ssssss", 0), "must have both sliding and global"),
    "frequency 0": Mutation(S.having("gemma4.rope.freq_base", float_value(0)), "gemma4.rope.freq_base is 0"),
    "frequency NaN": Mutation(S.having("gemma4.rope.freq_base_swa", float_value(float("nan"))), "is nan"),
    "cap NaN": Mutation(S.having("gemma4.final_logit_softcapping", float_value(float("nan"))), "is nan"),
    "cap as text": Mutation(S.having("gemma4.final_logit_softcapping", text_value("30")), "is not a number"),
    "not causal": Mutation(S.having(ATTENTION + "causal", bool_value(False)), "causal is not true"),
    "short scores": Mutation(S.having(TOKENIZER + "scores", floats_value([0.0] * 10)), "scores has 10 items"),
    "long kinds": Mutation(S.having(TOKENIZER + "token_type", ints_value([1] * 1537)), "token_type has 1537 items"),
    "another vocabulary": Mutation(S.having(TOKENIZER + "tokens", texts_value(["a", "b"])), "require (64, 2)"),
    "no tokenizer": Mutation(S.lacking(TOKENIZER + "model"), "the tokenizer is None"),
    **{
        f"no {name}": Mutation(S.lacking_tensor(name), f"tensor {name} is missing")
        for name in ("token_embd.weight", "rope_freqs.weight", "blk.2.attn_q.weight", "blk.0.attn_k.weight")
    },
    "no router": Mutation(X.lacking_tensor("blk.1.ffn_gate_inp.weight"), "ffn_gate_inp.weight is missing"),
    "another shape": Mutation(S.having_tensor("blk.0.attn_q.weight", (64, 129)), "has the shape (64, 129)"),
    "turned around": Mutation(S.having_tensor("blk.0.attn_q.weight", (128, 64)), "has the shape (128, 64)"),
    "no columns": Mutation(S.having_tensor("blk.0.attn_q.weight", (64, 0)), "has the shape (64, 0)"),
    "another output": Mutation(with_tensors(S, Tensor("output.weight", (64, 7), "F16")), "output.weight has the shape"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_file_is_explained(name: str) -> None:
    message = explanation(REFUSED[name].file)
    assert REFUSED[name].message in message
    assert not message.endswith(".")
