"""Render a model's details as text and as JSON."""

import struct
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from g4run.cli.views.json_values import json_value
from g4run.cli.views.tables import Column, render_pairs, render_rows, render_table
from g4run.errors import G4RunError
from g4run.models.gguf.architecture import ARCHITECTURE
from g4run.models.gguf.header import LongArray
from g4run.models.gguf.types import VALUE_CODES, ValueType
from g4run.models.quantizations import FileRole
from g4run.units import render_bytes, render_count

if TYPE_CHECKING:
    from g4run.models.details import FileDetail, ModelDetails
    from g4run.models.gguf.header import GgufHeader, MetadataValue

_SHOWN_ITEMS: Final = 4  # of an array, which can be a whole vocabulary
_MAX_TEXT_LENGTH: Final = 60  # characters of a text, which can be a whole template
_READ_BYTES: Final = 4096  # read from a long array of strings for its first items
_OTHER_LABEL: Final = "other"  # label of a model that is not a published size


def render_details(details: "ModelDetails") -> str:
    """Render the sections of `g4run show`."""
    sections = [
        ("Model", render_pairs(_model_pairs(details))),
        ("Capabilities", render_pairs([(name, "") for name in details.capabilities])),
        ("Projector", render_pairs(_projector_pairs(details))),
        ("Sampling", render_pairs(_sampling_pairs(details))),
        ("License", textwrap.indent(render_license(details), "  ")),
        ("Files", "".join(_render_file(file) for file in details.files)),
    ]
    return "\n".join(f"{title}\n{body}" for title, body in sections if body)


def details_value(details: "ModelDetails", *, verbose: bool) -> dict[str, object]:
    """Return a model's details as JSON; `verbose` adds the whole header."""
    model = details.model
    value: dict[str, object] = {
        "name": details.name,
        "label": model.size_label,
        "architecture": ARCHITECTURE,
        "parameters": model.parameters,
        "context_length": model.context_length,
        "embedding_length": model.embedding_length,
        "quantization": details.quantization,
        "capabilities": list(details.capabilities),
        "sampling": sampling_value(details),
        **license_value(details),
        "files": json_value(details.files),
        "is_remote": details.is_remote,
        "wire_bytes": details.wire_bytes,
    }
    if verbose:
        value["metadata"] = {key: _plain_value(item) for key, item in details.header.metadata.items()}
        value["tensors"] = [
            {
                "name": tensor.name,
                "type": tensor.type.name,
                "shape": list(tensor.shape),
                "size_bytes": tensor.size_bytes,
            }
            for tensor in details.header.tensors
        ]
    return value


def sampling_value(details: "ModelDetails") -> dict[str, object]:
    """Return the sampling defaults as JSON, named like options and Modelfile parameters."""
    return {name: value for name, value in json_value(details.sampling).items() if name != "source"}


def render_license(details: "ModelDetails") -> str:
    """Return the license's name and its URL on a second line; empty if unknown."""
    if details.license is None:
        return ""
    lines = (details.license.name or "", details.license.url or "")
    return "".join(f"{' '.join(line.split())}\n" for line in lines if line)


def license_value(details: "ModelDetails") -> dict[str, object]:
    """Return the license's name and URL as JSON; null if unknown."""
    known = details.license
    return {"license": known.name if known else None, "license_url": known.url if known else None}


def render_parameters(details: "ModelDetails") -> str:
    """Render the sampling defaults, one a line."""
    return render_pairs([(name, str(value)) for name, value in sampling_value(details).items()], indent="")


def render_modelfile(details: "ModelDetails") -> str:
    """Render a Modelfile for this model: its source and its parameters."""
    lines = [f"FROM {details.name}"]
    lines += [f"PARAMETER {name} {value}" for name, value in sampling_value(details).items()]
    return "".join(f"{line}\n" for line in lines)


def render_metadata(header: "GgufHeader", width: int | None) -> str:
    """Render all metadata; of long arrays, the length and the first items."""
    rows = [(f"  {key}", _render_value(value)) for key, value in header.metadata.items()]
    return f"\nMetadata\n{render_rows((Column('key'), Column('value', shrinks=True)), rows, width)}"


def render_tensors(header: "GgufHeader", width: int | None) -> str:
    """Render all tensors with their types, shapes, and sizes."""
    columns = (Column("  NAME", shrinks=True), Column("TYPE"), Column("SHAPE"), Column("SIZE", is_number=True))
    rows = [
        (f"  {tensor.name}", tensor.type.name, " x ".join(map(str, tensor.shape)), render_bytes(tensor.size_bytes))
        for tensor in header.tensors
    ]
    return f"\nTensors\n{render_table(columns, rows, width)}"


def _model_pairs(details: "ModelDetails") -> Sequence[tuple[str, str]]:
    model = details.model
    label = "" if model.size_label == _OTHER_LABEL else f", {model.size_label}"
    return [
        ("architecture", f"{ARCHITECTURE}{label}"),
        ("parameters", _render_parameter_count(model.parameters)),
        ("context length", render_count(model.context_length)),
        ("embedding length", render_count(model.embedding_length)),
        ("quantization", details.quantization),
    ]


def _render_parameter_count(count: int) -> str:
    """Write a count as model cards do: 25.2B, 1.6M."""
    if count >= 10**9:
        return f"{count / 10**9:.1f}B"
    return f"{count / 10**6:.1f}M" if count >= 10**6 else render_count(count)


def _projector_pairs(details: "ModelDetails") -> Sequence[tuple[str, str]]:
    projectors = (file for file in details.files if file.role is FileRole.PROJECTOR)
    return [(file.location.replace("\\", "/").rpartition("/")[2], render_bytes(file.size_bytes)) for file in projectors]


def _sampling_pairs(details: "ModelDetails") -> Sequence[tuple[str, str]]:
    pairs = [(name.replace("_", "-"), str(value)) for name, value in sampling_value(details).items()]
    return [*pairs, ("source", details.sampling.source)]


def _render_file(file: "FileDetail") -> str:
    """Render a file's role, size, and origin, then its location and digest on lines of their own for copying."""
    digest = f"    sha256 {file.sha256}\n" if file.sha256 else ""
    return f"  {file.role.value}, {render_bytes(file.size_bytes)}, {file.origin}\n    {file.location}\n{digest}"


def _render_items(first: Sequence[object], count: int) -> str:
    """Render the first items of an array, and the count if there are more."""
    shown = [_render_value(item) if isinstance(item, bool | int | float | str) else str(item) for item in first]
    return f"[{', '.join(shown)}]" if len(first) == count else f"[{', '.join([*shown, '...'])}] ({render_count(count)})"


def _render_value(value: "MetadataValue") -> str:
    if isinstance(value, LongArray):
        return _render_items(_first_items(value), value.count)
    if isinstance(value, tuple):
        return _render_items(value[:_SHOWN_ITEMS], len(value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return (
            value
            if len(value) <= _MAX_TEXT_LENGTH
            else f"{value[:_MAX_TEXT_LENGTH]}... ({render_count(len(value))} characters)"
        )
    return f"{value:g}" if isinstance(value, float) else str(value)


def _plain_value(value: "MetadataValue") -> object:
    """Return a metadata value as JSON; of an array left in the file, the length and the first items."""
    if isinstance(value, LongArray):
        return {"count": value.count, "type": value.item.name.lower(), "first": list(_first_items(value))}
    return list(value) if isinstance(value, tuple) else value


def _first_items(array: LongArray) -> Sequence[object]:
    """Return the first items of a long array; none if the file cannot be read anymore."""
    try:
        if array.item is ValueType.STRING:
            first = replace(array, count=_SHOWN_ITEMS, size_bytes=min(array.size_bytes, _READ_BYTES))
            return [string.decode(errors="replace") for string in first.strings()]
        layout = struct.Struct(f"<{_SHOWN_ITEMS}{VALUE_CODES[array.item]}")
        return layout.unpack(array.source(array.offset, layout.size))
    except (OSError, struct.error, G4RunError):
        return ()
