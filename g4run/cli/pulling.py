"""One pull after the other: what its name means on this machine, its plan, and the files as they come."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from g4run.cli.output import Output
from g4run.errors import Interrupted, ModelNotFound

if TYPE_CHECKING:
    from g4run.cli.terminal.progress import PullProgress
    from g4run.models.hub.client import Hub
    from g4run.models.library import Library
    from g4run.models.pull.plan import PullPlan
    from g4run.models.pull.target import PullRequest
    from g4run.models.store.store import Record
    from g4run.runtime.choose_file import MeasuredMachine, QuantizationChoice

FindMachine: TypeAlias = "Callable[[], MeasuredMachine | None]"


class Pulling:
    """The pulls of one command. `find_machine` is asked only where a name leaves the quantization open."""

    def __init__(
        self, library: "Library", hub: "Hub", output: Output, find_machine: FindMachine, *, as_json: bool = False
    ) -> None:
        self._library = library
        self._hub = hub
        self._output = output
        self._find_machine = find_machine
        self._as_json = as_json

    def plan(self, request: "PullRequest") -> "PullPlan":
        """What a request would fetch, with notes on what its name means and whether that fits. Raises G4RunError."""
        from g4run.models.pull.plan import plan_pull

        choice = self._choose(request)
        if choice is not None:
            return _with_name_note(self._plan_choice(request, choice), request.name)
        plan = _with_name_note(plan_pull(self._library, self._hub, request), request.name)
        return plan if request.entry else self._with_fit_note(plan)  # who chose before chose what fits

    def fetch(self, plan: "PullPlan") -> "Record":
        """Carry a plan out and show how far it is. Raises Interrupted on Ctrl-C, having said what is kept."""
        from g4run.models.pull.execution import execute_pull

        progress = self._open_progress()
        try:
            return execute_pull(self._library, self._hub, plan, progress)
        except KeyboardInterrupt:
            progress.close()
            raise self._stopped(plan) from None
        finally:
            progress.close()

    def _choose(self, request: "PullRequest") -> "QuantizationChoice | None":
        """The file that suits this machine, where the name leaves it open and the machine can be looked at.

        Without network only what the cache has can be had, and the name means what it means everywhere.
        """
        from g4run.models.pull.target import open_size
        from g4run.runtime.choose_file import choose_quantization

        size = None if self._library.settings.is_offline else open_size(self._library, request)
        machine = None if size is None or request.entry is not None else self._find_machine()
        if size is None or machine is None:
            return None
        return choose_quantization(self._library.catalog, machine, size)

    def _plan_choice(self, request: "PullRequest", choice: "QuantizationChoice") -> "PullPlan":
        """The pull of what was chosen; of the catalog's default where the Hub does not have that."""
        from g4run.cli.views.pull import render_choice, render_missing
        from g4run.models.pull.plan import plan_pull
        from g4run.planner.fit import Fit

        default = self._library.catalog.facts(choice.file.size).default
        try:
            plan = plan_pull(self._library, self._hub, replace(request, entry=choice.file))
        except ModelNotFound:
            if choice.file == default:
                raise
            plan = plan_pull(self._library, self._hub, request)
            return self._with_fit_note(_with_note(plan, render_missing(plan.name, choice, default)))
        plan = _with_note(plan, render_choice(plan.name, choice))
        return self._with_fit_note(plan) if choice.fit is Fit.NO else plan

    def _with_fit_note(self, plan: "PullPlan") -> "PullPlan":
        from g4run.cli.fits import add_fit_note

        return add_fit_note(plan, self._library.catalog)

    def _open_progress(self) -> "PullProgress":
        from g4run.cli.terminal.progress import JsonProgress, PlainProgress

        if self._as_json:
            return JsonProgress(self._output)
        notes = self._output.notes
        if not notes.is_terminal:
            return PlainProgress(notes)
        from rich.console import Console

        from g4run.cli.terminal.progress_bars import BarProgress

        console = Console(stderr=True, no_color=not self._library.settings.colour)
        return PlainProgress(notes) if console.is_dumb_terminal else BarProgress(notes, console)

    def _stopped(self, plan: "PullPlan") -> Interrupted:
        """Say what is kept of a pull that was stopped."""
        from g4run.cli.views.pull import render_stopped
        from g4run.models.pull.execution import downloaded_bytes

        total_bytes = sum(file.size_bytes for file in plan.files if file.source == "download")
        if not total_bytes:
            return Interrupted("stopped")
        message = render_stopped(downloaded_bytes(plan), total_bytes)
        if not self._as_json:
            self._output.notes.write(f"{message[:1].upper()}{message[1:]}\n")
        return Interrupted(message)


def _with_name_note(plan: "PullPlan", typed: str) -> "PullPlan":
    """Say what a short or a long form of a name means."""
    return plan if typed.lower() == plan.name.lower() else _with_note(plan, f"{typed} means {plan.name}")


def _with_note(plan: "PullPlan", note: str) -> "PullPlan":
    return replace(plan, notes=(note, *plan.notes))
