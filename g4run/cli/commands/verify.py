"""`g4run verify`: hash model files again and compare."""

from typing import Annotated

import typer

from g4run.cli.command import Json, command
from g4run.cli.output import Output
from g4run.settings import read_settings


@command
def verify(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Model names. [default: all]")] = None,
    as_json: Json = False,
    *,
    output: Output,
) -> int:
    """Check the files of models for damage.

    Compares their sha256 with the one they had when they were added. Exits with code 1 if a file differs.
    """
    from g4run.cli.terminal.status_line import HashProgress
    from g4run.cli.views.verify import checks_value, render_check, render_verdict, repair_hint
    from g4run.models.library import Library
    from g4run.models.store.verification import verify as verify_records

    library = Library(read_settings())
    records = tuple(library.get_record(name) for name in names or ()) or library.store.records()
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
        wrong = {check.name for check in checks if not check.is_good}
        repairs = [repair_hint(record) for record in records if record.name in wrong]
        output.notes.write(render_verdict(checks, repairs))
    return 0 if all(check.is_good for check in checks) else 1
