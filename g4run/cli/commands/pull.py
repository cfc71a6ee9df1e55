"""`g4run pull`: download a model, or show what would be downloaded."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated

import typer

from g4run.cli.command import command
from g4run.cli.open_hub import open_hub
from g4run.cli.output import Output
from g4run.cli.views.errors import error_value, render_error
from g4run.errors import G4RunError, Interrupted, UsageError
from g4run.settings import Settings, read_settings

if TYPE_CHECKING:
    from g4run.cli.terminal.progress import PullProgress
    from g4run.models.hub.client import Hub
    from g4run.models.library import Library
    from g4run.models.pull.plan import PullPlan
    from g4run.models.pull.target import PullRequest
    from g4run.models.store.store import Record


@command
def pull(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Model names: gemma4:26b, hf.co/USER/REPO:QUANT, ..."),
    ] = None,
    takes_all: Annotated[bool, typer.Option("--all", help="Update every model that came from the Hub.")] = False,
    revision: Annotated[
        str | None, typer.Option(metavar="REVISION", help="Branch, tag, or commit of the repository.")
    ] = None,
    no_projector: Annotated[
        bool, typer.Option("--no-projector", help="Skip the projector, the file for images and sound.")
    ] = False,
    drafter: Annotated[
        bool, typer.Option("--drafter", help="Also download the drafter, a small model that can speed up answers.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be downloaded, and exit.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object per line, errors included.")] = False,
    *,
    output: Output,
) -> int:
    """Download models from the Hugging Face Hub.

    The files go to the Hugging Face cache, which other tools use, too.

    If you name only a size (gemma4:26b), pulls the quantization that `g4run recommend` chooses for this machine.

    To resume an interrupted download, run the same command again.
    """
    from g4run.models.library import Library
    from g4run.models.pull.target import PullRequest

    if bool(names) == takes_all:
        problem = "--all and a name cannot be used together" if names else "no name was given"
        raise UsageError(problem, "g4run pull gemma4, or g4run pull --all")
    if takes_all and revision is not None:
        raise UsageError("--revision and --all cannot be used together", "g4run pull NAME --revision REVISION")
    if revision is not None and not revision.strip():
        raise UsageError("--revision is empty", "g4run pull NAME --revision main")
    library = Library(read_settings())
    if names:
        requests = tuple(PullRequest(name, revision, not no_projector, drafter) for name in names)
    else:
        requests = tuple(_updates(library, with_projector=not no_projector, with_drafter=drafter))
    return _pull_each(library, requests, output, is_dry_run=dry_run, as_json=as_json)


def _pull_each(
    library: "Library", requests: Sequence["PullRequest"], output: Output, *, is_dry_run: bool, as_json: bool
) -> int:
    """Pull each name; one that fails does not stop the others."""
    from g4run.hardware.inspection import inspect_unmeasured
    from g4run.runtime.choose_file import inspect_measured_machine
    from g4run.runtime.pull import PullPlanner

    hub = open_hub(library.settings)
    find_machine = cache(partial(inspect_measured_machine, library.settings))
    planner = PullPlanner(library, hub, find_machine, cache(inspect_unmeasured))
    if not requests:
        output.notes.write("no models from the Hub yet: g4run pull gemma4\n")
    failures = []
    for request in requests:
        try:
            plan = planner.plan(request)
            if is_dry_run:
                _show_plan(plan, output, as_json=as_json)
            else:
                _fetch(library, hub, plan, output, as_json=as_json)
        except G4RunError as error:
            if len(requests) == 1 or isinstance(error, Interrupted):
                raise
            failures.append((request.name, error))
            if as_json:
                output.write_event("failed", {"name": request.name, **error_value(error)})
            else:
                output.notes.write(render_error(error))
    if failures:
        raise _summary(failures, len(requests))
    return 0


def _updates(library: "Library", *, with_projector: bool, with_drafter: bool) -> Iterator["PullRequest"]:
    """Yield a request for each stored model from the Hub."""
    from g4run.models.pull.target import update_request

    for record in library.store.records():
        if record.repository is not None:
            request = update_request(record)
            yield replace(
                request,
                with_projector=request.with_projector and with_projector,
                with_drafter=request.with_drafter or with_drafter,
            )


def _fetch(library: "Library", hub: "Hub", plan: "PullPlan", output: Output, *, as_json: bool) -> None:
    from g4run.cli.views.pull import record_value, render_ready

    record = fetch_planned(library, hub, plan, output, as_json=as_json)
    if as_json:
        output.write_event("done", record_value(record))
    else:
        output.notes.write(render_ready(record.name))


def fetch_planned(
    library: "Library", hub: "Hub", plan: "PullPlan", output: Output, *, as_json: bool = False
) -> "Record":
    """Run a plan and show the progress. Raises Interrupted on Ctrl-C, after saying what is kept."""
    from g4run.models.pull.execution import execute_pull

    try:
        with closing(_open_progress(library.settings, output, as_json=as_json)) as progress:
            return execute_pull(library, hub, plan, progress)
    except KeyboardInterrupt:
        raise _stopped(plan, output, as_json=as_json) from None


def _open_progress(settings: Settings, output: Output, *, as_json: bool) -> "PullProgress":
    from g4run.cli.terminal.progress import JsonProgress, PlainProgress

    if as_json:
        return JsonProgress(output)
    if not output.notes.is_terminal:
        return PlainProgress(output.notes)
    from rich.console import Console

    from g4run.cli.terminal.progress_bars import BarProgress

    console = Console(stderr=True, no_color=not settings.colour)
    return PlainProgress(output.notes) if console.is_dumb_terminal else BarProgress(output.notes, console)


def _stopped(plan: "PullPlan", output: Output, *, as_json: bool) -> Interrupted:
    """Say what is kept of an interrupted pull, and return the error."""
    from g4run.cli.views.pull import render_stopped
    from g4run.cli.views.tables import capitalize
    from g4run.models.pull.execution import downloaded_bytes

    total_bytes = sum(file.size_bytes for file in plan.files if file.source == "download")
    if not total_bytes:
        return Interrupted("stopped")
    message = render_stopped(downloaded_bytes(plan), total_bytes)
    if not as_json:
        output.notes.write(f"{capitalize(message)}\n")
    return Interrupted(message)


def _show_plan(plan: "PullPlan", output: Output, *, as_json: bool) -> None:
    from g4run.cli.views.pull import plan_value, render_plan
    from g4run.cli.views.tables import line_width

    if as_json:
        output.write_event("plan", plan_value(plan))
    else:
        output.answer.write(render_plan(plan, line_width(output.answer)))


def _summary(failures: Sequence[tuple[str, G4RunError]], count: int) -> G4RunError:
    """Combine several errors into one of the first one's type."""
    names = [name for name, _ in failures]
    message = f"could not pull {len(failures)} of {count} names: {', '.join(names)}"
    return type(failures[0][1])(message, f"g4run pull {' '.join(names)}")
