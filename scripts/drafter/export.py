"""The drafter as a GGUF file that llama.cpp loads as architecture `gemma4-assistant`.

Keys and tensors are those that src/models/gemma4-assistant.cpp asks for. The vocabulary is the target's: llama.cpp
takes the number of tokens from it.
"""

from pathlib import Path

import gguf
import numpy as np
from gguf import GGUFWriter

from scripts.demo.export import write_vocabulary
from scripts.demo.model import NORM_EPSILON
from scripts.demo.tokenizer import Tokenizer
from scripts.drafter.model import Drafter, DrafterShape

DESCRIPTION = (
    "The drafter of g4run's built-in model: the architecture of Gemma 4's drafters in small, trained from scratch on "
    "the demo's hidden states (scripts/drafter). It guesses what the demo will say and cannot answer alone."
)
NAMES = {"pre_projection": "nextn.pre_projection", "post_projection": "nextn.post_projection"}


def export(model: Drafter, tokenizer: Tokenizer, path: Path) -> None:
    """Write the drafter to `path`: matrices in float16, the rest in float32."""
    unfinished = path.with_suffix(".part")
    writer = GGUFWriter(unfinished, "gemma4-assistant")
    write_general(writer)
    write_shape(writer, model.shape)
    write_vocabulary(writer, tokenizer)
    for name, array in tensors(model).items():
        writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    unfinished.replace(path)


def write_general(writer: GGUFWriter) -> None:
    """Write what the file is."""
    writer.add_type("model")
    writer.add_name("g4run demo drafter")
    writer.add_basename("demo-drafter")
    writer.add_description(DESCRIPTION)
    writer.add_license("apache-2.0")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)


def write_shape(writer: GGUFWriter, shape: DrafterShape) -> None:
    """Write the hyperparameters under `gemma4-assistant.*`; every layer counts as one that predicts the next token."""
    target = shape.target
    writer.add_block_count(shape.layers)
    writer.add_nextn_predict_layers(shape.layers)
    writer.add_context_length(target.context)
    writer.add_embedding_length(shape.embedding)
    writer.add_embedding_length_out(target.embedding)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(1)
    writer.add_key_length(target.head_global)
    writer.add_value_length(target.head_global)
    writer.add_key_length_swa(target.head_sliding)
    writer.add_value_length_swa(target.head_sliding)
    writer.add_layer_norm_rms_eps(NORM_EPSILON)
    writer.add_sliding_window(target.window)
    writer.add_sliding_window_pattern(list(shape.sliding))
    writer.add_shared_kv_layers(shape.layers)
    writer.add_rope_freq_base(target.rope_base_global)
    writer.add_rope_freq_base_swa(target.rope_base_sliding)
    writer.add_rope_dimension_count(target.head_global)
    writer.add_rope_dimension_count_swa(target.head_sliding)


def tensors(model: Drafter) -> dict[str, np.ndarray]:
    """Return every tensor of the file under its name there."""
    named = {"rope_freqs.weight": model.shape.target.rope_divisors().numpy()}
    for name, value in model.state_dict().items():
        array = value.detach().numpy()
        stem = name.removesuffix(".weight")
        named[f"{NAMES.get(stem, stem)}.weight"] = array.astype(np.float16 if array.ndim == 2 else np.float32)
    return named
