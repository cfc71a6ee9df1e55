"""`g4run verify` and `g4run outdated`: whether the files are the ones they should be, and the newest."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from g4run.cli.output import Output, Task
from g4run.settings import read_settings

if TYPE_CHECKING:
    from g4run.models.library import Library
    from g4run.models.store.store import Record
    from g4run.models.store.verification import FileCheck

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Names; all without one.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, failures included.")]


def verify(names: Names = None, as_json: Json = False) -> Task:
    """Hash the files of models again, and compare.

    They are compared with what they were when they came; exit code 1 if one differs.
    """
    return partial(verify_names, tuple(names or ()), as_json)


def outdated(names: Names = None, as_json: Json = False) -> Task:
    """Ask the Hub which models have newer files."""
    return partial(show_outdated, tuple(names or ()), as_json)


def show_outdated(names: Sequence[str], as_json: bool, output: Output) -> int:
    """Compare the files in use with what the Hub has now."""
    from g4run.cli.views.tables import line_width
    from g4run.cli.views.verify import outdated_value, render_outdated
    from g4run.models.hub.client import Hub
    from g4run.models.library import Library
    from g4run.models.pull.outdated import find_outdated

    settings = read_settings()
    library = Library(settings)
    found = find_outdated(library, Hub(settings), names)
    if as_json:
        output.write_json(outdated_value(found))
    else:
        output.answer.write(render_outdated(found, line_width(output.answer)))
        if any(model.is_outdated for model in found):
            output.notes.write("g4run pull --all fetches the newest\n")
    return 0


def verify_names(names: Sequence[str], as_json: bool, output: Output) -> int:
    """Hash every file, saying of each what came out."""
    from g4run.cli.terminal.hashing import HashProgress
    from g4run.cli.views.verify import checks_value, render_check, render_verdict
    from g4run.models.library import Library
    from g4run.models.store.verification import verify as verify_records

    records = _records(Library(read_settings()), names)
    checks = []
    with HashProgress(output.notes, "verifying") as progress:
        for check in verify_records(records, lambda record, file, done: progress.update(file.path, done)):
            checks.append(check)
            progress.wipe()
            if not as_json:
                output.answer.write(render_check(check))
    if as_json:
        output.write_json(checks_value(checks))
    else:
        output.notes.write(render_verdict(checks, _repairs(records, checks)))
    return 0 if all(check.is_good for check in checks) else 1


def _repairs(records: Sequence["Record"], checks: Sequence["FileCheck"]) -> tuple[str, ...]:
    """What to type for each model of which a file is wrong."""
    from g4run.cli.views.verify import repair_hint

    wrong = {check.name for check in checks if not check.is_good}
    return tuple(repair_hint(record) for record in records if record.name in wrong)


def _records(library: "Library", names: Sequence[str]) -> tuple["Record", ...]:
    """The named models, or all."""
    return tuple(library.stored(name) for name in names) or library.store.records()
