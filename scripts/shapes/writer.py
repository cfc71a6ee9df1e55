"""GGUF files: the header, and tensors' data that are a hole or random."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Literal

from gguf import GGMLQuantizationType

from scripts.shapes.metadata import metadata, string
from scripts.shapes.mixes import MIXES, quantized_tensors
from scripts.shapes.sizes import SHAPES
from scripts.shapes.tensors import Tensor
from scripts.shapes.vocabulary import copied_vocabulary, synthetic_vocabulary
from scripts.shapes.weights import Bytes, RandomWeights, rope_frequencies

Fill = Literal["sparse", "random"]
Entries = Mapping[str, bytes]

ALIGNMENT = 32  # GGUF's default, in bytes


def _padded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def header_bytes(entries: Entries, tensors: Iterable[Tensor]) -> bytes:
    """Everything before the tensors' data, padding included."""
    listed, offset, parts = list(tensors), 0, []
    for tensor in listed:
        rank = len(tensor.shape)
        kind = GGMLQuantizationType[tensor.kind]
        parts.append(string(tensor.name) + struct.pack(f"<I{rank}QIQ", rank, *tensor.shape, kind, offset))
        offset += _padded(tensor.size_bytes)
    start = b"GGUF" + struct.pack("<IQQ", 3, len(listed), len(entries))
    header = start + b"".join(string(key) + value for key, value in entries.items()) + b"".join(parts)
    return header.ljust(_padded(len(header)), b"\0")


def write_gguf(path: Path, entries: Entries, tensors: Sequence[Tensor], fill: Fill, seed: int = 0) -> None:
    """Write a file of these entries and tensors; only rope_freqs has its true values."""
    weights = RandomWeights(seed)
    with path.open("wb") as file:
        offset = file.write(header_bytes(entries, tensors))
        for tensor in tensors:
            file.seek(offset)
            if tensor.name == "rope_freqs.weight":
                file.write(rope_frequencies(2 * tensor.shape[0]).tobytes())
            elif fill == "random":
                _write_all(file, weights.chunks(tensor))
            offset += _padded(tensor.size_bytes)
        file.truncate(offset)


def _write_all(file: BinaryIO, chunks: Iterable[Bytes]) -> None:
    for chunk in chunks:
        file.write(chunk.data)


def write_shape(
    size: str, quantization: str, path: Path, fill: Fill = "sparse", seed: int = 0, vocabulary: Path | None = None
) -> None:
    """Write one member of the family, with a synthetic vocabulary unless a file with the real one is given."""
    shape, mix = SHAPES[size], MIXES[quantization]
    tokens = copied_vocabulary(vocabulary) if vocabulary else synthetic_vocabulary()
    write_gguf(path, metadata(shape, mix) | tokens, quantized_tensors(shape, mix), fill, seed)
