"""A model's details, for a person and for a program."""

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from g4run.cli.views.tables import Column, render_pairs, render_rows, render_table
from g4run.errors import G4RunError
from g4run.models.gguf.header import LongArray
from g4run.models.gguf.types import VALUE_CODES, ValueType
from g4run.units import render_bytes, render_count

if TYPE_CHECKING:
    from g4run.models.details import FileDetail, ModelDetails
    from g4run.models.gguf.header import GgufHeader, MetadataValue, TensorInfo

_FIRST_ITEMS: Final = 4  # of an array, which may be a vocabulary
_LONGEST_TEXT: Final = 60  # characters of a text, which may be a whole template
_READ_BYTES: Final = 4096  # of a long array, for its first items
_NO_MEMBER: Final = "other"  # the label of a model that is none of the published sizes
_PROJECTOR: Final = "projector"


def render_details(details: "ModelDetails") -> str:
    """The sections that say what a model is."""
    sections = [
        ("Model", render_pairs(_model_pairs(details))),
        ("Capabilities", render_pairs([(name, "") for name in details.capabilities])),
        ("Projector", render_pairs(_projector_pairs(details))),
        ("Sampling", render_pairs(_sampling_pairs(details))),
        ("License", _indented(render_license(details))),
        ("Files", "".join(_render_file(file) for file in details.files)),
    ]
    return "\n".join(f"{title}\n{body}" for title, body in sections if body)


def details_value(details: "ModelDetails", *, verbose: bool) -> dict[str, object]:
    """A model's details as a program reads them; `verbose` adds the whole header."""
    value: dict[str, object] = {
        "name": details.name,
        "label": details.label,
        "architecture": details.architecture,
        "parameters": details.parameters,
        "context_length": details.context_length,
        "embedding_length": details.embedding_length,
        "quantization": details.quantization,
        "capabilities": list(details.capabilities),
        "sampling": sampling_value(details),
        **license_value(details),
        "files": [_file_value(file) for file in details.files],
        "is_remote": details.is_remote,
        "wire_bytes": details.wire_bytes,
    }
    if verbose:
        value["metadata"] = {key: _plain_value(item) for key, item in details.header.metadata.items()}
        value["tensors"] = [_tensor_value(tensor) for tensor in details.header.tensors]
    return value


def sampling_value(details: "ModelDetails") -> dict[str, object]:
    """The sampling defaults, under the names that options and Modelfiles have for them."""
    sampling = details.sampling
    return {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
    }


def render_license(details: "ModelDetails") -> str:
    """The licence's name, and its address on a line below; empty where nobody says which it is."""
    if details.license is None:
        return ""
    lines = (details.license.name or "", details.license.url or "")
    return "".join(f"{' '.join(line.split())}\n" for line in lines if line)


def license_value(details: "ModelDetails") -> dict[str, object]:
    """The licence's name and address; null stands for what is not known."""
    known = details.license
    return {"license": known.name if known else None, "license_url": known.url if known else None}


def render_parameters(details: "ModelDetails") -> str:
    """The sampling defaults, one a line."""
    return render_pairs([(name, str(value)) for name, value in sampling_value(details).items()], indent="")


def render_modelfile(details: "ModelDetails") -> str:
    """The Modelfile that makes this model: where it comes from, and its parameters."""
    lines = [f"FROM {details.name}"]
    lines += [f"PARAMETER {name} {value}" for name, value in sampling_value(details).items()]
    return "".join(f"{line}\n" for line in lines)


def render_metadata(header: "GgufHeader", width: int | None) -> str:
    """All metadata; of long arrays the length and the first items."""
    rows = [(f"  {key}", _render_value(value)) for key, value in header.metadata.items()]
    return f"\nMetadata\n{render_rows((Column('key'), Column('value', gives_way=True)), rows, width)}"


def render_tensors(header: "GgufHeader", width: int | None) -> str:
    """All tensors with their types and shapes."""
    columns = (Column("  NAME", gives_way=True), Column("TYPE"), Column("SHAPE"), Column("SIZE", is_number=True))
    rows = [
        (f"  {tensor.name}", tensor.type.name, _render_shape(tensor), render_bytes(tensor.size_bytes))
        for tensor in header.tensors
    ]
    return f"\nTensors\n{render_table(columns, rows, width)}"


def _indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.splitlines())


def _model_pairs(details: "ModelDetails") -> Sequence[tuple[str, str]]:
    return [
        (
            "architecture",
            details.architecture if details.label == _NO_MEMBER else f"{details.architecture}, {details.label}",
        ),
        ("parameters", _render_parameter_count(details.parameters)),
        ("context length", render_count(details.context_length)),
        ("embedding length", render_count(details.embedding_length)),
        ("quantization", details.quantization),
    ]


def _render_parameter_count(count: int) -> str:
    """A count as model cards write it: 25.2B, 1.6M."""
    if count >= 10**9:
        return f"{count / 10**9:.1f}B"
    return f"{count / 10**6:.1f}M" if count >= 10**6 else render_count(count)


def _projector_pairs(details: "ModelDetails") -> Sequence[tuple[str, str]]:
    return [(_name_of(file), render_bytes(file.size_bytes)) for file in details.files if file.role.value == _PROJECTOR]


def _sampling_pairs(details: "ModelDetails") -> Sequence[tuple[str, str]]:
    pairs = [(name.replace("_", "-"), str(value)) for name, value in sampling_value(details).items()]
    return [*pairs, ("source", details.sampling.source)]


def _render_file(file: "FileDetail") -> str:
    """One file: its role, size and origin, and below that where it lies and its digest, to be copied whole."""
    digest = f"    sha256 {file.sha256}\n" if file.sha256 else ""
    return f"  {file.role.value}, {render_bytes(file.size_bytes)}, {file.origin}\n    {file.location}\n{digest}"


def _name_of(file: "FileDetail") -> str:
    return file.location.replace("\\", "/").rpartition("/")[2]


def _file_value(file: "FileDetail") -> dict[str, object]:
    return {
        "role": file.role.value,
        "location": file.location,
        "size_bytes": file.size_bytes,
        "sha256": file.sha256,
        "origin": file.origin,
    }


def _render_items(first: Sequence[object], count: int) -> str:
    """The first items of an array, and how many there are if those are not all."""
    shown = [_render_value(item) if isinstance(item, bool | int | float | str) else str(item) for item in first]
    return f"[{', '.join(shown)}]" if len(first) == count else f"[{', '.join([*shown, '...'])}] ({render_count(count)})"


def _render_value(value: "MetadataValue") -> str:
    if isinstance(value, LongArray):
        return _render_items(_first_items(value), value.count)
    if isinstance(value, tuple):
        return _render_items(value[:_FIRST_ITEMS], len(value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return (
            value
            if len(value) <= _LONGEST_TEXT
            else f"{value[:_LONGEST_TEXT]}... ({render_count(len(value))} characters)"
        )
    return f"{value:g}" if isinstance(value, float) else str(value)


def _plain_value(value: "MetadataValue") -> object:
    """A metadata value as JSON has it; of an array that stayed in the file, its length and the first items."""
    if isinstance(value, LongArray):
        return {"count": value.count, "type": value.item.name.lower(), "first": list(_first_items(value))}
    return list(value) if isinstance(value, tuple) else value


def _first_items(array: LongArray) -> Sequence[object]:
    """The first items of a long array; none where what holds them cannot be read any more."""
    try:
        data = array.source(array.offset, min(array.size_bytes, _READ_BYTES))
    except (OSError, G4RunError):
        return []
    if array.item is ValueType.STRING:
        return _first_strings(data)
    layout = struct.Struct("<" + VALUE_CODES[array.item])
    return [item for (item,) in layout.iter_unpack(data[: layout.size * min(_FIRST_ITEMS, array.count)])]


def _first_strings(data: bytes) -> Sequence[str]:
    """The strings at the beginning of some bytes, each after its length."""
    strings: list[str] = []
    position = 0
    while len(strings) < _FIRST_ITEMS and position + 8 <= len(data):
        end = position + 8 + int.from_bytes(data[position : position + 8], "little")
        if end > len(data):
            break
        strings.append(data[position + 8 : end].decode(errors="replace"))
        position = end
    return strings


def _render_shape(tensor: "TensorInfo") -> str:
    return " x ".join(str(length) for length in tensor.shape)


def _tensor_value(tensor: "TensorInfo") -> dict[str, object]:
    return {
        "name": tensor.name,
        "type": tensor.type.name,
        "shape": list(tensor.shape),
        "size_bytes": tensor.size_bytes,
    }
