"""Combine the headers of a split model, `NAME-00001-of-00003.gguf` and so on.

llama.cpp takes the first part and finds the others by name; this module refuses whatever it would refuse or assert
on. Source: llama_model_loader's constructor in src/llama-model-loader.cpp (lines 595-673, commit 0c1e57098).
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec.structs import replace

from g4run.errors import InvalidModelFile, ModelNotFound
from g4run.models.gguf.header import MAX_TENSORS, GgufHeader, TensorInfo, naming, read_header
from g4run.models.gguf.types import ValueType
from g4run.models.quantizations import shard_of

MAX_PARTS = 512  # llama.cpp allows 65,535; publishers split at 50 GB, which makes 2
NO, COUNT, TENSORS_COUNT = "split.no", "split.count", "split.tensors.count"

_DOWNLOAD_PARTS_AGAIN = "download all parts again, from one revision"


def shard_paths(path: Path) -> tuple[Path, ...]:
    """Return all files of the model that a file belongs to, in order; just the file if the model is not split.

    Raises ModelNotFound if a part is missing, and InvalidModelFile if the name claims more than MAX_PARTS.
    """
    paths = tuple(path.with_name(name) for name in shard_names(path.name))
    for number, part in enumerate(paths, 1):
        if len(paths) > 1 and not part.exists():
            raise ModelNotFound(
                f"part {number} of {len(paths)} is missing: {part}", "put it next to the others under that name"
            )
    return paths


def shard_names(file_name: str) -> tuple[str, ...]:
    """Return the file names of all parts, in order, given any of them; just the name if it is not that of a part."""
    shard = shard_of(file_name) if file_name.endswith(".gguf") else None  # llama.cpp is case-sensitive
    if shard is None or shard[2] == 1:
        return (file_name,)
    stem, _, count = shard
    if count > MAX_PARTS:
        raise InvalidModelFile(f"{file_name}: the model has {count} parts, more than {MAX_PARTS}")
    return tuple(f"{stem}-{number:05d}-of-{count:05d}.gguf" for number in range(1, count + 1))


def read_model(paths: Sequence[Path]) -> GgufHeader:
    """Read the header of a model from its file or files.

    Raises InvalidModelFile that starts with the part's file name, and OSError if a file cannot be read.
    """
    if len(paths) == 1:
        return read_header(paths[0])
    # Read the first part last: only its metadata stay, so at most one hostile part's are in memory.
    later = [trim_metadata(read_header(path)) for path in reversed(paths[1:])]
    return merge_headers([path.name for path in paths], [read_header(paths[0]), *reversed(later)])


def trim_metadata(header: GgufHeader) -> GgufHeader:
    """Return the header of a later part with only the metadata that `merge_headers` checks."""
    kept = [key for key in (NO, COUNT, TENSORS_COUNT, "general.architecture") if key in header.metadata]
    return replace(
        header,
        metadata={key: header.metadata[key] for key in kept},
        types={key: header.types[key] for key in kept},
    )


def merge_headers(names: Sequence[str], headers: Sequence[GgufHeader]) -> GgufHeader:
    """Merge the headers of a model's parts, given in order: the first part's metadata, and the tensors of all.

    Raises InvalidModelFile that starts with the part's name if the parts do not belong together.
    """
    first = headers[0]
    for index, (name, header) in enumerate(zip(names, headers, strict=True)):
        with naming(name):
            _check_number(header, index, len(headers))
            _check_same_model(header, first)
    tensors = _all_tensors(names, headers)
    with naming(names[0]):
        _check_tensor_count(first, len(tensors))
    sizes = [header.size_bytes for header in headers]
    known = [size for size in sizes if size is not None]
    total = sum(known) if len(known) == len(sizes) else None
    return replace(first, tensors=tensors, size_bytes=total, parts=tuple(headers))


def _check_number(header: GgufHeader, index: int, count: int) -> None:
    """Check the part number; a split.no that is not UINT16 fails an assertion in gguf.cpp:1127."""
    if COUNT not in header.metadata and NO not in header.metadata:
        raise InvalidModelFile(f"the name says part {index + 1} of {count}, but the file is not part of a split model")
    _check_type(header, NO, ValueType.UINT16)
    if header.metadata[NO] != index:
        raise InvalidModelFile(
            f"{NO} is {header.metadata[NO]}, but part {index + 1} of {count} should have {index}",
            "rename each part to its original name",
        )
    if index == 0 or COUNT in header.metadata:
        _check_type(header, COUNT, ValueType.UINT16)
        if header.metadata[COUNT] != count:
            raise InvalidModelFile(
                f"{COUNT} is {header.metadata[COUNT]}, but the name says part {index + 1} of {count}",
                _DOWNLOAD_PARTS_AGAIN,
            )


def _check_type(header: GgufHeader, key: str, kind: ValueType) -> None:
    if key not in header.metadata:
        raise InvalidModelFile(f"the metadata key {key} is missing")
    header.check_type(key, kind)


def _check_same_model(header: GgufHeader, first: GgufHeader) -> None:
    if header.version != first.version:
        raise InvalidModelFile(
            f"this is GGUF version {header.version}, but part 1 is version {first.version}", _DOWNLOAD_PARTS_AGAIN
        )
    architecture, expected = (each.metadata.get("general.architecture") for each in (header, first))
    if architecture is not None and architecture != expected:
        raise InvalidModelFile(
            f"the architecture is {architecture!r}, but that of part 1 is {expected!r}", _DOWNLOAD_PARTS_AGAIN
        )


def _all_tensors(names: Iterable[str], headers: Iterable[GgufHeader]) -> tuple[TensorInfo, ...]:
    tensors = dict[str, TensorInfo]()
    for name, header in zip(names, headers, strict=True):
        for tensor in header.tensors:
            if tensor.name in tensors:
                raise InvalidModelFile(
                    f"{name}: the tensor {tensor.name} is also in an earlier part", _DOWNLOAD_PARTS_AGAIN
                )
            tensors[tensor.name] = tensor
        if len(tensors) > MAX_TENSORS:
            raise InvalidModelFile(f"{name}: the parts together have more than {MAX_TENSORS} tensors")
    return tuple(tensors.values())


def _check_tensor_count(first: GgufHeader, found: int) -> None:
    _check_type(first, TENSORS_COUNT, ValueType.INT32)
    if first.metadata[TENSORS_COUNT] != found:
        raise InvalidModelFile(
            f"{TENSORS_COUNT} is {first.metadata[TENSORS_COUNT]}, but the parts together have {found}",
            _DOWNLOAD_PARTS_AGAIN,
        )
