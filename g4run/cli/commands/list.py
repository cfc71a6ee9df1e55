"""`g4run list`: the models that are here, and those that can be had."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from g4run.cli.output import Output, Task
from g4run.errors import UsageError
from g4run.settings import read_settings

if TYPE_CHECKING:
    from g4run.cli.views.models import ListedModel
    from g4run.models.store.store import Record


def list_models(
    prefix: Annotated[
        str | None,
        typer.Argument(metavar="[PREFIX]", help="Only names that begin with this; with --available, a size."),
    ] = None,
    available: Annotated[
        bool, typer.Option("--available", help="List models you can pull: all, one size, or hf.co/USER/REPO.")
    ] = False,
    space: Annotated[
        bool, typer.Option("--space", help="Show the disk space that models use, and what is free.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, errors included.")] = False,
) -> Task:
    """List the models on this machine, or those you can pull.

    The newest come first.
    """
    if space:
        if available or prefix is not None:
            problem = f"--space and {'--available' if available else 'a prefix'} exclude each other"
            raise UsageError(problem, "g4run list --space")
        return partial(show_space, as_json)
    execute = show_available if available else show_models
    return partial(execute, prefix, as_json)


def show_models(prefix: str | None, as_json: bool, output: Output) -> int:
    """List what is here; an entry that cannot be read is named on stderr and keeps no other back."""
    from datetime import UTC, datetime

    from g4run.cli.views.models import models_value, render_damaged, render_models
    from g4run.cli.views.tables import line_width
    from g4run.models.store.store import Store

    records, damaged = Store(read_settings()).read()
    models = listed_models(records, prefix)
    if as_json:
        output.write_json(models_value(models, damaged))
        return 0
    _show_table(render_models(models, datetime.now(UTC), line_width(output.answer)), output)
    for entry in damaged:
        output.notes.write(render_damaged(entry))
    if not any(model.modified_at for model in models):
        output.notes.write(_nothing_note(prefix))
    return 0


def show_space(as_json: bool, output: Output) -> int:
    """Show what models take on disk, each file counted once, and what is free."""
    from g4run.cli.views.store import render_usage, usage_value
    from g4run.cli.views.tables import line_width
    from g4run.models.store.store import Store
    from g4run.models.store.usage import measure_usage

    settings = read_settings()
    usage = measure_usage(settings, Store(settings))
    if as_json:
        output.write_json(usage_value(usage))
    else:
        output.answer.write(render_usage(usage, line_width(output.answer)))
    return 0


def listed_models(records: Sequence["Record"], prefix: str | None) -> tuple["ListedModel", ...]:
    """The store's models and the built-in one, those whose names begin so."""
    wanted = (prefix or "").lower()
    models = (*(_listed(record) for record in records), _demo())
    return tuple(model for model in models if model.name.lower().startswith(wanted))


def show_available(typed: str | None, as_json: bool, output: Output) -> int:
    """List what can be had, from the catalog or of one repository."""
    from g4run.cli.available import find_available
    from g4run.cli.views.models import available_value, render_available
    from g4run.cli.views.tables import line_width
    from g4run.models.library import Library

    library = Library(read_settings())
    models = find_available(library, typed)
    if as_json:
        output.write_json(available_value(models))
        return 0
    _show_table(render_available(models, line_width(output.answer)), output)
    if library.catalog.overlay_problem is not None:
        output.notes.write(f"the built-in catalog is used: {library.catalog.overlay_problem}\n")
    return 0


def _show_table(table: str, output: Output) -> None:
    from g4run.cli.views.models import render_cut_note

    output.answer.write(table)
    output.notes.write(render_cut_note(table))


def _listed(record: "Record") -> "ListedModel":
    from g4run.cli.fits import find_fit
    from g4run.cli.views.models import ListedModel

    summary = record.summary
    return ListedModel(
        name=record.name,
        id=record.id,
        size_bytes=record.size_bytes,
        size_label=summary.size_label,
        parameters=summary.parameters,
        quantization=summary.quantization,
        modified_at=record.modified_at,
        fit=find_fit(_loaded_bytes(record), summary.size_label).value,
        repository=record.repository,
        commit=record.commit,
        paths=tuple(str(file.path) for file in record.files),
    )


def _loaded_bytes(record: "Record") -> int:
    """What a chat loads: all but the drafter."""
    return record.size_bytes - (record.drafter.size_bytes if record.drafter else 0)


def _demo() -> "ListedModel":
    """The built-in model, from its file."""
    from g4run import data
    from g4run.cli.fits import find_fit
    from g4run.cli.views.models import ListedModel
    from g4run.models.digest import sha256_of
    from g4run.models.gguf.architecture import inspect_architecture
    from g4run.models.gguf.header import read_header

    path = Path(data.__file__).with_name("demo.gguf")
    header = read_header(path)
    model = inspect_architecture(header)
    size_bytes = path.stat().st_size
    return ListedModel(
        name="demo",
        id=sha256_of(path)[:12],
        size_bytes=size_bytes,
        size_label=model.size_label,
        parameters=model.parameters,
        quantization=max(header.tensors, key=lambda tensor: tensor.elements).type.name,
        modified_at=None,
        fit=find_fit(size_bytes, model.size_label).value,
        repository=None,
        commit=None,
        paths=(str(path),),
    )


def _nothing_note(prefix: str | None) -> str:
    if prefix:
        return f"no model's name begins with {prefix}: g4run list shows all\n"
    return "no model was pulled yet: g4run pull gemma4, or g4run list --available\n"
