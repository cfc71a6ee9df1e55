"""Render the output of `rm`, `list --space`, `prune`, and `import` as text and as JSON."""

import os
import re
import shlex
from typing import TYPE_CHECKING, Final

from g4run.cli.views.json_values import json_value
from g4run.cli.views.tables import Column, render_table
from g4run.units import render_bytes

if TYPE_CHECKING:
    from g4run.models.external.search import ExternalModels, FoundModel
    from g4run.models.store.removal import Removal
    from g4run.models.store.usage import DiskUsage, Pruned

_MAX_NAME_OPTION: Final = len(" --name ") + 80  # a name has 80 characters at most
_USAGE_COLUMNS: Final = (
    Column("NAME", shrinks=True),
    Column("SIZE", is_number=True),
    Column("UNIQUE", is_number=True),
    Column(""),
)


def render_removal(removal: "Removal") -> str:
    """Say how much a removal freed, and which files it kept and why."""
    freed = f"removed {removal.name}, {render_bytes(removal.freed_bytes)} freed\n"
    return freed + "".join(f"  kept {kept.path}\n    {kept.reason}\n" for kept in removal.kept)


def render_usage(usage: "DiskUsage", width: int | None) -> str:
    """Render the disk space of each model and in total, and what is free."""
    rows = [
        (
            model.name,
            render_bytes(model.size_bytes),
            render_bytes(model.own_bytes),
            "a file is missing" if model.missing else "",
        )
        for model in usage.models
    ]
    table = render_table(_USAGE_COLUMNS, rows, width) + "\n" if rows else ""
    return table + _render_totals(usage)


def render_pruned(pruned: "Pruned", *, is_dry_run: bool) -> str:
    """Say what was removed, or would be, and what needs your attention."""
    verb = "would be removed" if is_dry_run else "removed"
    lines = []
    if pruned.header_bytes:
        lines.append(f"{verb}: cached headers, {render_bytes(pruned.header_bytes)}")
    if pruned.temporary_bytes:
        lines.append(f"{verb}: temporary files, {render_bytes(pruned.temporary_bytes)}")
    lines += [
        f"kept {partial.path}\n    {partial.kept}"
        if partial.kept
        else f"{verb}: unfinished download of {partial.repository}, {render_bytes(partial.freed_bytes)}"
        for partial in pruned.partials
    ]
    freed = f"{render_bytes(pruned.freed_bytes)} {'would be ' if is_dry_run else ''}freed"
    lines.append(freed if pruned.freed_bytes else "nothing to remove")
    lines += [f"{name} has a missing file: run g4run verify {name}" for name in pruned.vanished]
    return "".join(f"{line}\n" for line in lines)


def pruned_value(pruned: "Pruned", *, is_dry_run: bool) -> dict[str, object]:
    """Return the same as JSON."""
    return {"is_dry_run": is_dry_run, **json_value(pruned), "freed_bytes": pruned.freed_bytes}


def render_found(found: "ExternalModels") -> str:
    """Render the models of other programs, each with the command that imports it."""
    counted = "1 other file is not a" if found.other_count == 1 else f"{found.other_count} other files are not"
    others = f"{counted} supported Gemma 4\n" if found.other_count else ""
    if not found.models:
        return f"found no Gemma 4 in LM Studio, Ollama, or the Hugging Face cache\n{others}"
    return "".join(_render_one_found(model) for model in found.models) + others


def found_value(found: "ExternalModels") -> dict[str, object]:
    """Return the same as JSON."""
    models = [
        {**json_value(model), "command": None if model.problem else _import_command(model)} for model in found.models
    ]
    return {"found": models, "other_count": found.other_count}


def _render_totals(usage: "DiskUsage") -> str:
    free = "unknown" if usage.free_bytes is None else render_bytes(usage.free_bytes)
    foreign = ("", render_bytes(usage.foreign_partial_bytes), "unfinished, by other programs: hf cache prune")
    lines = [
        ("all models", render_bytes(usage.total_bytes), "each file counted once"),
        ("unfinished", render_bytes(usage.partial_bytes), "g4run prune" if usage.partial_bytes else ""),
        *([foreign] if usage.foreign_partial_bytes else []),
        ("headers", render_bytes(usage.header_cache_bytes), "g4run prune" if usage.header_cache_bytes else ""),
        ("free", free, str(usage.directory)),
    ]
    return "".join(f"{name:<11} {size:>9}  {note}".rstrip() + "\n" for name, size, note in lines)


def _render_one_found(model: "FoundModel") -> str:
    heading = f"{model.name}, {render_bytes(model.size_bytes)}, {model.origin}\n  {model.path}\n"
    return heading + (f"  not usable: {model.problem}\n" if model.problem else f"  {_import_command(model)}\n")


def _import_command(model: "FoundModel") -> str:
    """Return the import command; with a name for Ollama's files, which are named by digest."""
    name = re.sub(r"[^a-z0-9._-]+", "-", model.name.lower(), flags=re.ASCII)
    given = f" --name ollama-{name}"[:_MAX_NAME_OPTION] if model.origin == "Ollama" else ""
    return f"g4run import {_quoted(str(model.path))}{given}"


def _quoted(path: str) -> str:
    """Quote a path for the platform's shell."""
    if os.name == "nt":
        return f'"{path}"' if " " in path else path
    return shlex.quote(path)
