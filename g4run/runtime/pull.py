"""Plan the pull of a name: the file that suits this machine, and whether it fits."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from msgspec import structs

from g4run.errors import ModelNotFound
from g4run.hardware.inspection import inspect_unmeasured
from g4run.hardware.machine import Machine
from g4run.models.catalog.values import CatalogFile
from g4run.models.hub.client import Hub
from g4run.models.library import Library
from g4run.models.names.types import FamilyName, Size
from g4run.models.pull.plan import PullPlan, plan_pull
from g4run.models.pull.target import PullRequest, open_size
from g4run.models.quantizations import FileRole
from g4run.models.unlisted import describe_unlisted
from g4run.planner.hypothetical_machine import idle_machine
from g4run.planner.memory.catalog_weights import loaded_shape
from g4run.planner.placement import missing_bytes, plan_model
from g4run.planner.values import Fit, PlanRequest
from g4run.runtime.choose_file import MeasuredMachine, choose_quantization, render_choice, render_missing
from g4run.units import render_bytes


class PullPlanner:
    """Plans pulls. `find_machine` is called only if a name leaves the quantization open.

    Offline, only cached files are available.
    """

    def __init__(
        self,
        library: Library,
        hub: Hub,
        find_machine: Callable[[], MeasuredMachine | None],
        inspect_machine: Callable[[], Machine] | None = None,
    ) -> None:
        self._library = library
        self._hub = hub
        self._find_machine = find_machine
        self._inspect_machine = inspect_machine or partial(inspect_unmeasured, library.settings)

    def plan(self, request: PullRequest) -> PullPlan:
        """Plan a request's download, and note what its name means and whether that fits. Raises G4RunError."""
        size = open_size(self._library, request)
        known = None if size is None or request.entry is not None else self._find_machine()
        if size is not None and known is not None:
            plan = self._plan_choice(request, size, known)
        else:
            plan = plan_pull(self._library, self._hub, request)
            if request.entry is None:  # otherwise it is known to fit
                plan = self._with_fit_note(plan, self._inspect_machine())
        is_short = request.name.lower() != plan.name.lower()
        return _with_note(plan, f"{request.name} means {plan.name}") if is_short else plan

    def _plan_choice(self, request: PullRequest, size: Size, known: MeasuredMachine) -> PullPlan:
        """Plan the pull of the file that suits this machine, or the catalog's default if the Hub lacks it."""
        choice = choose_quantization(self._library.catalog, known, size)
        default = self._library.catalog.facts(choice.file.size).default
        try:
            plan = plan_pull(self._library, self._hub, replace(request, entry=choice.file))
        except ModelNotFound:
            if choice.file == default:
                raise
            plan = plan_pull(self._library, self._hub, request)
            return self._with_fit_note(_with_note(plan, render_missing(plan.name, choice, default)), known.machine)
        plan = _with_note(plan, render_choice(plan.name, choice))
        return self._with_fit_note(plan, known.machine) if choice.fit is Fit.NO else plan

    def _with_fit_note(self, plan: PullPlan, machine: Machine) -> PullPlan:
        """Add a warning if the model would not fit even with other programs closed; you can still pull it."""
        file = self._model_file(plan)
        shape = loaded_shape(file, self._library.catalog.facts(file.size))
        closest = plan_model(shape, idle_machine(machine), PlanRequest())
        if closest.ledger.fits:
            return plan
        missing = render_bytes(missing_bytes(closest.ledger))
        note = f"does not fit this machine: it needs {missing} more memory, even with other programs closed"
        if closest.ledger.can_load:
            note = f"fits this machine, but with {missing} less than the margin to spare"
        return replace(plan, notes=(*plan.notes, note))

    def _model_file(self, plan: PullPlan) -> CatalogFile:
        """Describe the weights in a plan as the catalog would list them."""
        files = [file for file in plan.files if file.role is FileRole.MODEL]
        size_bytes = sum(file.size_bytes for file in files)
        known = self._library.catalog.find_file(files[0].repository, files[0].path)
        if known is not None:
            return structs.replace(known, size_bytes=size_bytes)
        return describe_unlisted(
            self._library.catalog,
            name=plan.name,
            repository=plan.repository,
            paths=tuple(file.path for file in files),
            size_bytes=size_bytes,
            quantization=plan.quantization,
        )


def request_for(library: Library, file: CatalogFile) -> PullRequest:
    """Return the pull of this file, under its size's name if that is free."""
    short = FamilyName(file.size).text
    is_taken = library.store.find(short) is not None
    return PullRequest(file.name) if is_taken else PullRequest(short, entry=file)


def _with_note(plan: PullPlan, note: str) -> PullPlan:
    return replace(plan, notes=(note, *plan.notes))
