"""Real model shapes for the planner's tests, from the sparse files of scripts.shapes."""

from functools import cache
from pathlib import Path

from msgspec.structs import replace

from g4run.models.gguf.architecture import inspect_architecture
from g4run.models.gguf.dimensions import Gemma4
from g4run.models.gguf.header import GgufHeader, parse_header
from g4run.planner.memory.weights import shape_of
from g4run.planner.values import ModelShape
from scripts.shapes.metadata import metadata
from scripts.shapes.mixes import MIXES, quantized_tensors
from scripts.shapes.sizes import SHAPES
from scripts.shapes.vocabulary import synthetic_vocabulary
from scripts.shapes.writer import header_bytes, write_gguf

SMALL_VOCABULARY = synthetic_vocabulary(1000)


@cache
def header_of(size: str, quantization: str) -> GgufHeader:
    """Return the header of a real shape, with a small tokenizer for speed."""
    shape, mix = SHAPES[size], MIXES[quantization]
    data = header_bytes(metadata(shape, mix) | SMALL_VOCABULARY, quantized_tensors(shape, mix))
    return parse_header(lambda offset, length: data[offset : offset + length], None)


@cache
def real_shape(size: str, quantization: str = "Q4_0") -> ModelShape:
    """Return a real shape; its vocabulary is that of the tensors, 262,144 tokens."""
    header = header_of(size, quantization)
    return shape_of(f"{size}-{quantization}", header, real_architecture(size), file_bytes=header.weights_bytes)


@cache
def real_architecture(size: str) -> Gemma4:
    """Return a real size's dimensions."""
    return replace(inspect_architecture(header_of(size, "Q4_0")), vocabulary_size=262_144)


def write_sparse(size: str, quantization: str, path: Path) -> Path:
    """Write a sparse file with the whole vocabulary, which llama.cpp loads without memory."""
    shape, mix = SHAPES[size], MIXES[quantization]
    write_gguf(path, metadata(shape, mix) | synthetic_vocabulary(), quantized_tensors(shape, mix), "sparse")
    return path
