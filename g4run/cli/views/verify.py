"""Render the results of `verify`, `outdated`, and `catalog refresh`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from g4run.cli.views.json_values import json_value
from g4run.cli.views.tables import Column, render_table, short_commit
from g4run.units import render_plural

if TYPE_CHECKING:
    from g4run.models.catalog.refresh import RefreshFailure, RefreshReport
    from g4run.models.pull.outdated import OutdatedModel
    from g4run.models.store.store import Record
    from g4run.models.store.verification import FileCheck

_OUTDATED_COLUMNS: Final = (
    Column("NAME", shrinks=True),
    Column("LOCAL"),
    Column("LATEST"),
    Column("CHANGED FILES", shrinks=True),
)


def render_check(check: "FileCheck") -> str:
    """Render one line for a good file; for a bad one, also what is wrong."""
    line = f"{check.name}: {check.path.name}: {check.status.value}\n"
    if check.is_good:
        return line
    details = [f"  {check.path}\n"]
    if check.expected is not None and check.actual is not None and check.expected != check.actual:
        details.append(f"  expected {check.expected}\n  found    {check.actual}\n")
    if check.problem:
        details.append(f"  {check.problem}\n")
    return line + "".join(details)


def render_verdict(checks: Sequence["FileCheck"], repair: Sequence[str]) -> str:
    """Summarize all checks; `repair` lists the commands that fix the problems."""
    wrong = [check for check in checks if not check.is_good]
    if not wrong:
        return f"{render_plural(len(checks), 'file')} checked, no problems found\n"
    return f"{len(wrong)} of {render_plural(len(checks), 'file')} failed\n" + "".join(
        f"Hint: {line}\n" for line in repair
    )


def repair_hint(record: "Record") -> str:
    """Return what to type to replace a model that has a bad file."""
    source = record.name_on_hub
    return f"g4run rm {record.name}, then {f'g4run pull {source}' if source else 'import the file again'}"


def checks_value(checks: Sequence["FileCheck"]) -> dict[str, object]:
    """Return the same as JSON."""
    return {"is_good": all(check.is_good for check in checks), "files": json_value(checks)}


def render_outdated(models: Sequence["OutdatedModel"], width: int | None) -> str:
    """Render the models that have newer files on the Hub."""
    old = [model for model in models if model.is_outdated]
    if not old:
        return f"{render_plural(len(models), 'model')} from the Hub, all up to date\n"
    rows = [
        (model.name, short_commit(model.current_commit), short_commit(model.newest_commit), ", ".join(model.changed))
        for model in old
    ]
    return render_table(_OUTDATED_COLUMNS, rows, width)


def outdated_value(models: Sequence["OutdatedModel"]) -> dict[str, object]:
    """Return the same as JSON."""
    return {"models": [{**json_value(model), "is_outdated": model.is_outdated} for model in models]}


def render_refresh(report: "RefreshReport") -> str:
    """Say how many repositories were listed, and which failed and why."""
    count = len(report.refreshed)
    repositories = f"{count} {'repository' if count == 1 else 'repositories'}"
    answered = f"{repositories} listed, {len(report.changed)} changed\n"
    failures = "".join(f"not updated: {_failure(failure)}\n" for failure in report.failures)
    return f"{answered}{failures}catalog saved to {report.path}\n"


def _failure(failure: "RefreshFailure") -> str:
    """Say why a repository could not be listed, naming it once."""
    if failure.repository in failure.message:
        return failure.message
    return f"{failure.repository}: {failure.message}"
