"""Builders of small GGUF files: valid Gemma 4 ones, mutations of them, foreign ones, and files that are none."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from gguf import GGUFReader

from scripts.shapes.metadata import int_value, metadata, text_value
from scripts.shapes.mixes import MIXES, quantized_tensors
from scripts.shapes.sizes import Shape
from scripts.shapes.tensors import Tensor
from scripts.shapes.vocabulary import synthetic_vocabulary
from scripts.shapes.writer import ALIGNMENT, Fill, header_bytes, write_gguf

VOCABULARY_SIZE = 1536

# Six layers of which the last three share the caches of the third and the second, as in E2B and E4B.
SMALL = Shape("small", 6, 64, 128, 4, 2, 2, 32, 3, 3, 32, True, context_length=4096, key_length=64, key_length_swa=32)
# No sharing and no V on global layers, as in 12B and 31B.
LARGE = Shape("large", 4, 64, 128, 4, 2, 1, 32, 2, context_length=4096, key_length=64, key_length_swa=32)
# The same with experts, as in 26B A4B.
EXPERTS = replace(LARGE, name="experts", experts=4, experts_used=2, expert_feed_forward=32)


@dataclass(frozen=True, slots=True)
class GgufFile:
    """A GGUF file before it is written: encoded metadata, and tensors."""

    entries: Mapping[str, bytes]
    tensors: tuple[Tensor, ...]

    def having(self, key: str, value: bytes) -> "GgufFile":
        return replace(self, entries={**self.entries, key: value})

    def lacking(self, key: str) -> "GgufFile":
        return replace(self, entries={name: value for name, value in self.entries.items() if name != key})

    def having_tensor(self, name: str, shape: tuple[int, ...] | None = None, kind: str | None = None) -> "GgufFile":
        """The file with another shape or type of one tensor."""
        return replace(
            self,
            tensors=tuple(
                Tensor(name, shape or tensor.shape, kind or tensor.kind) if tensor.name == name else tensor
                for tensor in self.tensors
            ),
        )

    def lacking_tensor(self, name: str) -> "GgufFile":
        return replace(self, tensors=tuple(tensor for tensor in self.tensors if tensor.name != name))

    def header(self) -> bytes:
        return header_bytes(self.entries, self.tensors)

    def write(self, path: Path, fill: Fill = "sparse") -> Path:
        write_gguf(path, self.entries, self.tensors, fill)
        return path


def gemma4_file(shape: Shape = SMALL, quantization: str = "F16") -> GgufFile:
    """A valid Gemma 4 of a small shape, about 1.5 MB."""
    mix = MIXES[quantization]
    entries = metadata(shape, mix) | synthetic_vocabulary(VOCABULARY_SIZE)
    return GgufFile(entries, tuple(quantized_tensors(shape, mix, VOCABULARY_SIZE)))


def patterned_file(pattern: str, shared_layers: int) -> GgufFile:
    """A small Gemma 4 whose layers are sliding ("s") or global ("g") in any order, of which the last share caches."""

    class Patterned(Shape):
        def is_sliding(self, layer: int) -> bool:
            return pattern[layer] == "s"

    values = {field.name: getattr(SMALL, field.name) for field in fields(SMALL)}
    values |= {"shared_layers": shared_layers, "has_double_wide_shared_layers": False}
    file = gemma4_file(Patterned(**values))
    return file if "g" in pattern else file.lacking_tensor("rope_freqs.weight")


def read_gguf(path: Path) -> GgufFile:
    """The entries and tensors of a file, whatever wrote it; without the tensors' data."""
    reader = GGUFReader(path)
    fields_read = [field for field in reader.fields.values() if not field.name.startswith("GGUF.")]
    places = [int(field.offset) for field in (*fields_read, reader.tensors[0].field)]
    data = path.read_bytes()
    entries = {
        field.name: data[start + 8 + len(field.name.encode()) : end]
        for field, start, end in zip(fields_read, places, places[1:], strict=False)
    }
    tensors = [Tensor(each.name, tuple(map(int, each.shape)), each.tensor_type.name) for each in reader.tensors]
    return GgufFile(entries, tuple(tensors))


def split_file(file: GgufFile, *counts: int) -> list[GgufFile]:
    """The file in parts of so many tensors each, the rest in a last one; the first has all the metadata."""
    ends = [sum(counts[: index + 1]) for index in range(len(counts))] + [len(file.tensors)]
    parts = []
    for index, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        entries = {
            "split.no": struct.pack("<IH", 2, index),
            "split.count": struct.pack("<IH", 2, len(ends)),
            "split.tensors.count": struct.pack("<Ii", 5, len(file.tensors)),
        }
        whole = file.entries if index == 0 else {}
        parts.append(GgufFile({**whole, **entries}, file.tensors[start:end]))
    return parts


def write_parts(parts: Sequence[GgufFile], directory: Path, source: Path | None = None) -> list[Path]:
    """Write the parts of a model under their proper names, with the data that `source` has under the same names."""
    data = {tensor.name: tensor.data.tobytes() for tensor in GGUFReader(source).tensors} if source else {}
    paths = []
    for number, part in enumerate(parts, 1):
        path = part.write(directory / f"model-{number:05d}-of-{len(parts):05d}.gguf")
        with path.open("r+b") as file:
            offset = len(part.header())
            for tensor in part.tensors:
                file.seek(offset)
                file.write(data.get(tensor.name, b""))
                offset += -(-tensor.size_bytes // ALIGNMENT) * ALIGNMENT
        paths.append(path)
    return paths


def token_texts() -> list[str]:
    """The texts of the small files' vocabulary."""
    value = synthetic_vocabulary(VOCABULARY_SIZE)["tokenizer.ggml.tokens"]
    texts, position = [], 16
    while position < len(value):
        length = int.from_bytes(value[position : position + 8], "little")
        texts.append(value[position + 8 : position + 8 + length].decode())
        position += 8 + length
    return texts


def foreign_file(architecture: str = "llama") -> GgufFile:
    """A GGUF file of another architecture."""
    entries = {"general.architecture": text_value(architecture), f"{architecture}.block_count": int_value(2)}
    return GgufFile(entries, (Tensor("token_embd.weight", (64, 32), "F16"),))


def write_truncated(path: Path, missing_bytes: int = 1000) -> Path:
    """A valid Gemma 4 file that lost its last bytes."""
    gemma4_file().write(path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - missing_bytes)
    return path


def write_text(path: Path) -> Path:
    """A file that is not GGUF at all."""
    path.write_text("<!DOCTYPE html>\n<html>404</html>\n")
    return path
