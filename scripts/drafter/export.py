"""The drafter as a GGUF file that llama.cpp loads as architecture `gemma4-assistant`.

Keys and tensors are those that src/models/gemma4-assistant.cpp asks for. The vocabulary is the target's: llama.cpp
takes the number of tokens from it.
"""

from pathlib import Path

import gguf
import numpy as np
from gguf import GGUFWriter

from scripts.demo.export import weights, write_attention, write_file, write_names, write_vocabulary
from scripts.demo.tokenizer import Tokenizer
from scripts.drafter.model import Drafter, DrafterShape

DESCRIPTION = (
    "The drafter of g4run's built-in model: the architecture of Gemma 4's drafters in small, trained from scratch on "
    "the demo's hidden states (scripts/drafter). It guesses what the demo will say and cannot answer alone."
)
NAMES = {"pre_projection": "nextn.pre_projection", "post_projection": "nextn.post_projection"}


def export(model: Drafter, tokenizer: Tokenizer, path: Path) -> None:
    """Write the drafter to `path`: matrices in float16, the rest in float32."""

    def write_metadata(writer: GGUFWriter) -> None:
        write_names(writer, "g4run demo drafter", "demo-drafter", DESCRIPTION)
        writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
        write_shape(writer, model.shape)
        write_vocabulary(writer, tokenizer)

    write_file(path, "gemma4-assistant", write_metadata, tensors(model))


def write_shape(writer: GGUFWriter, shape: DrafterShape) -> None:
    """Write the hyperparameters under `gemma4-assistant.*`; every layer counts as one that predicts the next token."""
    target = shape.target
    writer.add_block_count(shape.layers)
    writer.add_nextn_predict_layers(shape.layers)
    writer.add_context_length(target.context)
    writer.add_embedding_length(shape.embedding)
    writer.add_embedding_length_out(target.embedding)
    writer.add_feed_forward_length(shape.feed_forward)
    write_attention(writer, target, shape.heads, shape.sliding, shape.layers)


def tensors(model: Drafter) -> dict[str, np.ndarray]:
    """Return every tensor of the file under its name there."""
    named = {"rope_freqs.weight": model.shape.target.rope_divisors().numpy()}
    for name, array in weights(model).items():
        stem = name.removesuffix(".weight")
        named[f"{NAMES.get(stem, stem)}.weight"] = array
    return named
