"""`g4run verify`: hash model files again and compare."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from g4run.cli.arguments.json_output import Json
from g4run.cli.output import Output, Task
from g4run.settings import read_settings

if TYPE_CHECKING:
    from g4run.models.library import Library
    from g4run.models.store.store import Record
    from g4run.models.store.verification import FileCheck

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Model names. [default: all]")]


def verify(names: Names = None, as_json: Json = False) -> Task:
    """Check the files of models for damage.

    Compares their sha256 with the one they had when they were added. Exits with code 1 if a file differs.
    """
    return partial(verify_names, tuple(names or ()), as_json)


def verify_names(names: Sequence[str], as_json: bool, output: Output) -> int:
    """Hash every file and print each result."""
    from g4run.cli.terminal.status_line import HashProgress
    from g4run.cli.views.verify import checks_value, render_check, render_verdict
    from g4run.models.library import Library
    from g4run.models.store.verification import verify as verify_records

    records = _records(Library(read_settings()), names)
    checks = []
    with HashProgress(output.notes, "verifying") as progress:
        for check in verify_records(records, lambda record, file, done: progress.update(file.path, done)):
            checks.append(check)
            progress.clear()
            if not as_json:
                output.answer.write(render_check(check))
    if as_json:
        output.write_json(checks_value(checks))
    else:
        output.notes.write(render_verdict(checks, _repairs(records, checks)))
    return 0 if all(check.is_good for check in checks) else 1


def _repairs(records: Sequence["Record"], checks: Sequence["FileCheck"]) -> tuple[str, ...]:
    """Return what to type to repair each model with a bad file."""
    from g4run.cli.views.verify import repair_hint

    wrong = {check.name for check in checks if not check.is_good}
    return tuple(repair_hint(record) for record in records if record.name in wrong)


def _records(library: "Library", names: Sequence[str]) -> tuple["Record", ...]:
    """Return the named models, or all."""
    return tuple(library.get_record(name) for name in names) or library.store.records()
