"""Render installed and available models as tables and as JSON."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from g4run.cli.views.json_values import json_value
from g4run.cli.views.tables import Column, render_paragraph, render_table
from g4run.units import render_bytes, render_plural

if TYPE_CHECKING:
    from g4run.models.catalog.values import Quality
    from g4run.models.store.store import DamagedEntry
    from g4run.runtime.available_models import AvailableModel
    from g4run.runtime.installed_models import InstalledModel

BUILT_IN: Final = "built in"
_INDENT: Final = "    "
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_AGES: Final = (
    (365 * _DAY, "year"),
    (30 * _DAY, "month"),
    (7 * _DAY, "week"),
    (_DAY, "day"),
    (_HOUR, "hour"),
    (_MINUTE, "minute"),
)
_MODEL_COLUMNS: Final = (
    Column("NAME", shrinks=True),
    Column("ID"),
    Column("SIZE", is_number=True),
    Column("QUANT"),
    Column("MODIFIED"),
    Column("FITS"),
)
_AVAILABLE_COLUMNS: Final = (
    Column("NAME", shrinks=True),
    Column("QUANT"),
    Column("SIZE", is_number=True),
    Column("BITS", is_number=True),
    Column("QUALITY"),
    Column("FITS"),
    Column("LOCAL"),
)


def render_age(moment: str, now: datetime) -> str:
    """Return the age of an RFC 3339 time: '3 days ago'."""
    seconds = (now - datetime.fromisoformat(moment)).total_seconds()
    for length, unit in _AGES:
        if seconds >= length:
            return f"{render_plural(int(seconds // length), unit)} ago"
    return "just now"


def render_models(models: Sequence["InstalledModel"], now: datetime, width: int | None) -> str:
    """Render the installed models as a table."""
    rows = [
        (
            model.name,
            model.id,
            render_bytes(model.size_bytes),
            model.quantization,
            BUILT_IN if model.modified_at is None else render_age(model.modified_at, now),
            model.fits,
        )
        for model in models
    ]
    return render_table(_MODEL_COLUMNS, rows, width)


def models_value(models: Sequence["InstalledModel"], damaged: Sequence["DamagedEntry"]) -> dict[str, object]:
    """Return the installed models as JSON."""
    return {"models": json_value(models), "damaged": json_value(damaged)}


def render_damaged(entry: "DamagedEntry") -> str:
    """Render a store entry that cannot be read."""
    return f"damaged: {entry.name}: {entry.problem}\n  {entry.path}\n"


def render_available(models: Sequence["AvailableModel"], width: int | None) -> str:
    """Render the available models as a table, with notes and sources below."""
    scales = _scales(models)
    table = render_table(_AVAILABLE_COLUMNS, [_available_row(model, scales) for model in models], width)
    marks = [render_paragraph(_render_default(model), width, _INDENT) for model in models if model.short_names]
    marks += [render_paragraph(f"[{number}] {scale}", width, _INDENT) for number, scale in enumerate(scales, 1)]
    if any(model.size_bytes is not None and not model.size_is_exact for model in models):
        marks.append("≈ approximate: published rounded, or computed\n")
    if any(not model.is_confirmed for model in models):
        marks.append("? not confirmed: `g4run catalog refresh` updates the list from the Hub\n")
    elif any(model.quality is not None and not model.quality.is_confirmed for model in models):
        marks.append("? not confirmed\n")
    return table + ("\n" if marks else "") + "".join(marks)


def render_cut_note(table: str) -> str:
    """Say how to see names that were cut to fit; empty if none was."""
    return "names with … are cut: add `| more` or --json to see them in full\n" if "…" in table else ""


def available_value(models: Sequence["AvailableModel"]) -> dict[str, object]:
    """Return the available models as JSON, with the bits per weight rounded."""
    rounded = (
        model if model.bits_per_weight is None else replace(model, bits_per_weight=round(model.bits_per_weight, 2))
        for model in models
    )
    return {"available": json_value(tuple(rounded))}


def _render_default(model: "AvailableModel") -> str:
    verb = "means" if len(model.short_names) == 1 else "mean"
    return f"{' and '.join(model.short_names)} {verb} {model.name} on this machine"


def _available_row(model: "AvailableModel", scales: Sequence[str]) -> tuple[str, ...]:
    size = "?" if model.size_bytes is None else render_bytes(model.size_bytes)
    return (
        model.name,
        f"{model.quantization or ''}{'' if model.is_confirmed else ' ?'}".strip(),
        f"{'' if model.size_is_exact or model.size_bytes is None else '≈'}{size}",
        "" if model.bits_per_weight is None else f"{model.bits_per_weight:.1f}",
        _quality(model, scales),
        model.fits or "?",
        "yes" if model.is_installed else "",
    )


def _quality(model: "AvailableModel", scales: Sequence[str]) -> str:
    quality = model.quality
    if quality is None:
        return ""
    return f"{quality.value:g} [{scales.index(_scale(quality)) + 1}]{'' if quality.is_confirmed else ' ?'}"


def _scales(models: Sequence["AvailableModel"]) -> tuple[str, ...]:
    """Return each metric with its source once, in row order; only values of one scale compare."""
    return tuple(dict.fromkeys(_scale(model.quality) for model in models if model.quality is not None))


def _scale(quality: "Quality") -> str:
    return f"{quality.metric}; {quality.source}"
