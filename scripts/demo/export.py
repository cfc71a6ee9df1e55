"""The model as a GGUF file that llama.cpp loads as architecture `gemma4`, with the keys that real files carry."""

from collections.abc import Callable, Sequence
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGUFWriter
from torch import nn

from scripts.demo.model import NORM_EPSILON, Gemma4, Shape
from scripts.demo.tokenizer import Tokenizer

DESCRIPTION = (
    "The built-in model of g4run: Gemma 4 E2B's architecture in small, trained from scratch on the dialogues in the "
    "repository (scripts/demo). It answers a few questions and is no model of Google's."
)


def export(model: Gemma4, tokenizer: Tokenizer, path: Path) -> None:
    """Write model and vocabulary to `path`: matrices in float16, the rest in float32."""

    def write_metadata(writer: GGUFWriter) -> None:
        write_general(writer)
        write_shape(writer, model.shape)
        write_vocabulary(writer, tokenizer)

    write_file(path, "gemma4", write_metadata, tensors(model))


def write_file(
    path: Path, architecture: str, write_metadata: Callable[[GGUFWriter], None], tensors: dict[str, np.ndarray]
) -> None:
    """Write a GGUF file, or leave what was there."""
    unfinished = path.with_suffix(".part")
    writer = GGUFWriter(unfinished, architecture)
    write_metadata(writer)
    for name, array in tensors.items():
        writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    unfinished.replace(path)


def write_names(writer: GGUFWriter, name: str, basename: str, description: str) -> None:
    """Write what a file is, under `general.*`."""
    writer.add_type("model")
    writer.add_name(name)
    writer.add_basename(basename)
    writer.add_description(description)
    writer.add_license("apache-2.0")


def write_general(writer: GGUFWriter) -> None:
    """Write what the model is, and its sampling defaults (Google's for Gemma 4)."""
    write_names(writer, "g4run demo", "demo", DESCRIPTION)
    writer.add_languages(["en"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_sampling_temp(1.0)
    writer.add_sampling_top_p(0.95)
    writer.add_sampling_top_k(64)


def write_shape(writer: GGUFWriter, shape: Shape) -> None:
    """Write the hyperparameters under `gemma4.*`."""
    writer.add_block_count(shape.layers)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.embedding)
    writer.add_embedding_length_per_layer_input(shape.per_layer)
    writer.add_feed_forward_length([shape.feed_forward_length(layer) for layer in range(shape.layers)])
    write_attention(writer, shape, shape.heads, shape.sliding, shape.shared)
    writer.add_final_logit_softcapping(shape.soft_cap)


def write_attention(writer: GGUFWriter, shape: Shape, heads: int, sliding: Sequence[bool], shared: int) -> None:
    """Write heads, norms, windows and rope; `shape` is the model's whose keys are looked at."""
    writer.add_head_count(heads)
    writer.add_head_count_kv(1)
    writer.add_key_length(shape.head_global)
    writer.add_value_length(shape.head_global)
    writer.add_key_length_swa(shape.head_sliding)
    writer.add_value_length_swa(shape.head_sliding)
    writer.add_layer_norm_rms_eps(NORM_EPSILON)
    writer.add_sliding_window(shape.window)
    writer.add_sliding_window_pattern(list(sliding))
    writer.add_shared_kv_layers(shared)
    writer.add_rope_freq_base(shape.rope_base_global)
    writer.add_rope_freq_base_swa(shape.rope_base_sliding)
    writer.add_rope_dimension_count(shape.head_global)
    writer.add_rope_dimension_count_swa(shape.head_sliding)


def write_vocabulary(writer: GGUFWriter, tokenizer: Tokenizer) -> None:
    """Write tokens, types and merges; every score is -1000, as in real files."""
    writer.add_tokenizer_model("gemma4")
    writer.add_token_list(tokenizer.tokens)
    writer.add_token_scores([-1000.0] * len(tokenizer.tokens))
    writer.add_token_types(tokenizer.types)
    writer.add_token_merges([" ".join(pair) for pair in tokenizer.merges])
    writer.add_bos_token_id(tokenizer.ids["<bos>"])
    writer.add_eos_token_id(tokenizer.ids["<eos>"])
    writer.add_unk_token_id(tokenizer.ids["<unk>"])
    writer.add_pad_token_id(tokenizer.ids["<pad>"])
    writer.add_mask_token_id(tokenizer.ids["<mask>"])
    writer.add_add_space_prefix(False)
    writer.add_add_bos_token(True)


def tensors(model: Gemma4) -> dict[str, np.ndarray]:
    """Return every tensor of the file under its name there."""
    named = {name if name.endswith(".weight") else f"{name}.weight": array for name, array in weights(model).items()}
    return {"rope_freqs.weight": model.shape.rope_divisors().numpy(), **named}


def weights(model: nn.Module) -> dict[str, np.ndarray]:
    """Return the model's weights as the file holds them: matrices in float16, norms and scales in float32."""
    state = {name: value.detach().numpy() for name, value in model.state_dict().items()}
    return {name: value.astype(np.float16 if value.ndim == 2 else np.float32) for name, value in state.items()}


def rounded(model: Gemma4) -> Gemma4:
    """Return a copy of the model with the weights that the file holds."""
    copy = Gemma4(model.shape).requires_grad_(False)
    copy.load_state_dict({name: torch.from_numpy(array).float() for name, array in weights(model).items()})
    return copy.eval()
