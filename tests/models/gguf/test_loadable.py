from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g4run.errors import InvalidModelFile
from g4run.models.gguf.architecture import inspect_architecture
from g4run.models.gguf.header import parse_header
from g4run.models.gguf.loadable import UNUSABLE_TYPES, check_loadable
from scripts.shapes.metadata import float_value, int_value, ints_value, text_value
from scripts.shapes.tensors import Tensor
from tests.fakes.gguf_files import LARGE, SMALL, VOCABULARY_SIZE, GgufFile, gemma4_file, patterned_file
from tests.models.gguf import llama_process
from tests.models.gguf.mutations import (
    ATTENTION,
    TOKENIZER,
    L,
    Mutation,
    S,
    X,
    check,
    explanation,
    with_tensors,
    with_tokens,
)

WIDE = gemma4_file(replace(SMALL, width=256, feed_forward=256, key_length_swa=64, per_layer_width=256))

# Files on which llama.cpp (commit 0c1e57098) ends its process, or never ends: each was tried.
FATAL = {
    "no layers": Mutation(S.having("gemma4.block_count", int_value(0)), "block_count is 0"),
    "513 layers": Mutation(S.having("gemma4.block_count", int_value(513)), "block_count is 513"),
    "2^31 layers": Mutation(S.having("gemma4.block_count", int_value(1 << 31)), "block_count is 2147483648"),
    **{
        f"shared layers {count}": Mutation(S.having(ATTENTION + "shared_kv_layers", int_value(count)), message)
        for count, message in {
            1: "but those are of the other kind",
            2: "but those are of the other kind",
            4: "but those are of the other kind",
            5: "only 1 of 6 layers own a KV cache",
            6: "shared_kv_layers is 6",
            100: "shared_kv_layers is 100",
        }.items()
    },
    **{
        f"pattern {pattern} shared {shared}": Mutation(patterned_file(pattern, shared), message)
        for pattern, shared, message in [
            ("sgsssg", 3, "layers 3 and up share the KV caches of layers 1 (sliding) and 2 (global)"),
            ("sgsgsg", 3, "but those are of the other"),
            ("ggsggg", 3, "but those are of the other"),
            ("sgssgs", 2, "but those are of the other"),
            ("sgsggg", 3, "but those are of the other"),
            ("sssggg", 3, "but those are of the other"),
            ("gggsss", 3, "but those are of the other"),
            ("gsssss", 4, "but those are of the other"),
            ("gsgggg", 4, "but those are of the other"),
            ("sggggg", 5, "only 1 of 6 layers"),
            ("gggggg", 0, "must have both sliding and global"),
        ]
    },
    "3 KV heads for 4": Mutation(gemma4_file(replace(SMALL, kv_heads=3, global_kv_heads=3)), "cannot share 3"),
    "8 KV heads for 4": Mutation(gemma4_file(replace(SMALL, kv_heads=8, global_kv_heads=8)), "cannot share 8"),
    "2 KV heads for 3": Mutation(gemma4_file(replace(SMALL, heads=3)), "3 attention heads cannot share 2"),
    "odd head": Mutation(gemma4_file(replace(LARGE, key_length=63)), "dimension_count is 63, not an even number"),
    "odd sliding head": Mutation(gemma4_file(replace(LARGE, key_length_swa=31)), "dimension_count_swa is 31"),
    "empty head": Mutation(gemma4_file(replace(LARGE, key_length=0)), "key_length is 0"),
    "empty sliding head": Mutation(gemma4_file(replace(LARGE, key_length_swa=0)), "key_length_swa is 0"),
    "empty feed-forward": Mutation(gemma4_file(replace(LARGE, feed_forward=0)), "feed_forward_length is 0"),
    **{
        f"rope {count}": Mutation(S.having("gemma4.rope.dimension_count", int_value(count)), "dimension_count is")
        for count in (0, 1, 31, 66, 128, 4_294_967_295)
    },
    **{
        f"sliding rope {count}": Mutation(
            S.having("gemma4.rope.dimension_count_swa", int_value(count)), "dimension_count_swa is"
        )
        for count in (0, 1, 31, 34, 64, 4_294_967_295)
    },
    "no sliding rope": Mutation(S.lacking("gemma4.rope.dimension_count_swa"), "dimension_count_swa is 64"),
    "negative epsilon": Mutation(S.having(ATTENTION + "layer_norm_rms_epsilon", float_value(-1)), "epsilon is -1.0"),
    "epsilon NaN": Mutation(S.having(ATTENTION + "layer_norm_rms_epsilon", float_value(float("nan"))), "is nan"),
    "no experts": Mutation(X.having("gemma4.expert_count", int_value(0)), "expert_used_count is 2"),
    "one expert": Mutation(X.having("gemma4.expert_count", int_value(1)), "expert_used_count is 2"),
    "1025 experts": Mutation(X.having("gemma4.expert_count", int_value(1025)), "expert_count is 1025"),
    "experts unused": Mutation(X.having("gemma4.expert_used_count", int_value(0)), "expert_used_count is 0"),
    "experts overused": Mutation(X.having("gemma4.expert_used_count", int_value(5)), "expert_used_count is 5"),
    "experts not counted": Mutation(X.lacking("gemma4.expert_count"), "expert_used_count is 2"),
    "use not counted": Mutation(X.lacking("gemma4.expert_used_count"), "gemma4.expert_used_count is missing"),
    "unused in a layer": Mutation(
        X.having("gemma4.expert_used_count", ints_value([2, 2, 2, 0])), "something other than numbers between 1"
    ),
    "2 groups": Mutation(X.having("gemma4.expert_group_count", int_value(2)), "expert_group_count is 2"),
    "groups of none": Mutation(S.having("gemma4.expert_group_count", int_value(2)), "expert_group_count is 2"),
    "dense with experts": Mutation(S.having("gemma4.expert_count", int_value(4)), "expert_used_count is missing"),
    "dense using experts": Mutation(S.having("gemma4.expert_used_count", int_value(2)), "expert_used_count is 2"),
    "rope scaling": Mutation(
        S.having("gemma4.rope.scaling.type", text_value("foo")), "rope.scaling.type is not one of"
    ),
    "7 of 6 layers predict": Mutation(S.having("gemma4.nextn_predict_layers", int_value(7)), "nextn_predict_layers"),
    "twin tokens": Mutation(with_tokens({600: "zz", 601: "zz"}), "two tokens of the vocabulary have the same text"),
    "twin of an empty token": Mutation(with_tokens({600: "", 601: "[EMPTY_600]"}), "have the same text"),
    "no BOS": Mutation(S.lacking(TOKENIZER + "bos_token_id"), "tokenizer.ggml.bos_token_id is missing"),
    "BOS outside": Mutation(S.having(TOKENIZER + "bos_token_id", int_value(VOCABULARY_SIZE)), "bos_token_id is 1536"),
    "BOS far outside": Mutation(S.having(TOKENIZER + "bos_token_id", int_value(4_294_967_295)), "bos_token_id is 429"),
    "tokenizer bert": Mutation(S.having(TOKENIZER + "model", text_value("bert")), "the tokenizer is 'bert'"),
    "tokenizer rwkv": Mutation(S.having(TOKENIZER + "model", text_value("rwkv")), "the tokenizer is 'rwkv'"),
    **{
        f"{name} {kind}": Mutation(WIDE.having_tensor(name, kind=kind), f"is of type {kind}, which cannot hold weights")
        for name in ("token_embd.weight", "blk.0.ffn_down.weight")
        for kind in sorted(UNUSABLE_TYPES - {"Q8_1"})  # the writer's package has another size for Q8_1
    },
    **{
        f"{name} {kind}": Mutation(S.having_tensor(name, kind=kind), f"is of type {kind}, but llama.cpp needs F32")
        for name in (
            *("output_norm.weight", "rope_freqs.weight", "per_layer_proj_norm.weight", "blk.0.attn_norm.weight"),
            *("blk.0.attn_q_norm.weight", "blk.0.layer_output_scale.weight", "blk.0.post_norm.weight"),
        )
        for kind in ("F16", "BF16")
    },
    "alignment 8": Mutation(S.having("general.alignment", int_value(8)), "general.alignment is 8, but llama.cpp needs"),
    "expert scale F16": Mutation(X.having_tensor("blk.0.ffn_gate_inp.scale", kind="F16"), "llama.cpp needs F32"),
}

# Files that are unusual, but that llama.cpp loads and runs.
UNUSUAL = {
    "pattern of numbers": S.having(ATTENTION + "sliding_window_pattern", ints_value([1, 1, 0, 1, 1, 0])),
    "sharing sliding layers only": patterned_file("gsgsss", 3),
    "sharing global layers only": patterned_file("ssgggg", 3),
    "global first": patterned_file("gsgsgs", 0),
    "no V in a sliding layer": S.lacking_tensor("blk.0.attn_v.weight"),
    "no K in a shared layer": S.lacking_tensor("blk.5.attn_k.weight"),
    "an output matrix": with_tensors(S, Tensor("output.weight", (64, VOCABULARY_SIZE), "F16")),
    "a norm of four dimensions": S.having_tensor("output_norm.weight", (64, 1, 1, 1)),
    "no scores": S.lacking(TOKENIZER + "scores"),
    "empty tokens": with_tokens({600: "", 601: ""}),
    "no rope dimensions": S.lacking("gemma4.rope.dimension_count"),
    "odd widths": gemma4_file(replace(LARGE, width=33, feed_forward=65, window=5, key_length=6, key_length_swa=2)),
}


@pytest.mark.parametrize("name", FATAL)
def test_a_fatal_file_is_explained(name: str) -> None:
    message = explanation(FATAL[name].file)
    assert FATAL[name].message in message
    assert not message.endswith(".")


@pytest.mark.parametrize("name", UNUSUAL)
def test_an_unusual_file_passes(name: str) -> None:
    check(UNUSUAL[name])


@pytest.mark.parametrize("file", [S, L, X, gemma4_file(LARGE, "Q8_0"), WIDE], ids=["S", "L", "X", "Q8_0", "wide"])
def test_a_sound_file_passes(file: GgufFile) -> None:
    check(file)


HEADER = X.header()
BEFORE_VOCABULARY, AFTER_VOCABULARY = HEADER.index(b"tokenizer.ggml.tokens"), HEADER.index(b"tokenizer.ggml.bos")


@settings(max_examples=500, deadline=None)
@given(
    st.one_of(st.integers(24, BEFORE_VOCABULARY), st.integers(AFTER_VOCABULARY, len(HEADER) - 1)),
    st.binary(min_size=1, max_size=4),
)
def test_overwritten_bytes_raise_only_our_error(place: int, change: bytes) -> None:
    data = HEADER[:place] + change + HEADER[place + len(change) :]
    try:
        check_loadable(parse_header(lambda offset, length: data[offset : offset + length], None))
    except InvalidModelFile as error:
        assert error.message


# One of each kind, as the process of llama.cpp sees it
ENDS_THE_PROCESS = (
    *("no layers", "shared layers 1", "3 KV heads for 4", "odd head", "experts unused", "twin tokens", "no BOS"),
    *("blk.0.ffn_down.weight I32", "output_norm.weight F16"),
)


@pytest.mark.parametrize("name", ENDS_THE_PROCESS)
def test_llama_cpp_would_have_crashed(name: str, tmp_path: Path) -> None:
    path = FATAL[name].file.write(tmp_path / "broken.gguf")
    assert llama_process.run("decode", str(path), "256").has_crashed


def test_llama_cpp_runs_unusual_files(tmp_path: Path) -> None:
    arguments = []
    for name, file in UNUSUAL.items():
        arguments += [str(file.write(tmp_path / f"{name}.gguf", "random")), "256"]
    assert llama_process.run("decode", *arguments) == llama_process.Outcome(False, ("finite",) * len(UNUSUAL))


def test_the_dimensions_are_those_of_the_metadata() -> None:
    data = S.header()
    model = inspect_architecture(parse_header(lambda offset, length: data[offset : offset + length], None))
    assert (model.size_label, model.layers, model.embedding_length, model.head_count) == ("small", 6, 64, 4)
    assert model.feed_forward_lengths == (128, 128, 128, 256, 256, 256)
    assert model.kv_head_counts == (2,) * 6
    assert model.sliding_pattern == (True, True, False, True, True, False)
    assert (model.key_length, model.key_length_swa, model.sliding_window) == (64, 32, 32)
    assert (model.shared_kv_layers, model.kv_layers, model.per_layer_embedding_length) == (3, 3, 32)
    assert (model.expert_count, model.expert_used_count, model.expert_feed_forward_length) == (0, 0, 0)
    assert (model.context_length, model.vocabulary_size) == (4096, VOCABULARY_SIZE)
    assert model.is_small
    assert model.has_thinking
    assert [model.key_length_of(layer) for layer in range(3)] == [32, 32, 64]


def test_a_template_without_thinking_says_so() -> None:
    data = S.having("tokenizer.chat_template", text_value("{{ messages }}")).header()
    model = inspect_architecture(parse_header(lambda offset, length: data[offset : offset + length], None))
    assert not model.has_thinking
