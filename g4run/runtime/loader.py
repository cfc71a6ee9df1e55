"""Loading a model by its plan; and by the next plan that fits, where memory is not what it seemed to be.

Every attempt looks at the machine again. llama.cpp is first asked for its own figures, and only what fits by these is
loaded. A load that fails all the same for want of memory says that less is free than it needed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from g4run.engine.client import Engine
from g4run.engine.parameters import LoadParameters
from g4run.engine.probe.probe import Probed, ProbeFailure
from g4run.errors import DoesNotFit
from g4run.hardware.machine import Machine
from g4run.models.library import ModelFile
from g4run.planner.confirmed_ledger import confirmed_ledger
from g4run.planner.memory.layer_split import usable_gpus
from g4run.planner.values import DeviceLedger, Plan
from g4run.runtime.loading import LoadOptions, LoadPlan, inspect_for, is_tiny, plan_load, with_caches
from g4run.runtime.probe_cache import confirm_load
from g4run.settings import Settings
from g4run.units import render_bytes, render_count

ATTEMPTS = 6
LEAVES = 0.9  # of what did not fit, the next attempt counts on so much

Inspect: TypeAlias = Callable[[ModelFile, Settings], Machine]
Confirm: TypeAlias = Callable[[LoadParameters, Machine, Settings], Probed]

_HINT = "end other programs, take what `g4run recommend` says, or add --force"


@dataclass(frozen=True, slots=True)
class LoadStep:
    """What is about to be loaded; `failure` says why the attempt before it came to nothing."""

    plan: Plan
    failure: DoesNotFit | None = None


@dataclass(frozen=True, slots=True)
class _Limits:
    """What failures taught: no more than so many bytes are to be had; None where nothing is known.

    Without `may_repack` the CPU's weights stay as they lie in the file.
    """

    gpu_bytes: int | None = None
    ram_bytes: int | None = None
    may_repack: bool = True

    def after_load(self, failed: Plan) -> "_Limits":
        """What is to be had if a load failed: where it copied weights, which only the CPU does, the same without that.

        The copies are memory that cannot be had back; what lies in the file is read again if need be.
        """
        return replace(self, may_repack=False) if failed.settings.repack else self.after(failed)

    def after(self, failed: Plan) -> "_Limits":
        """What is to be had if a plan did not fit: of the GPUs, if it used any, else of main memory."""
        on_gpus = sum(device.total_bytes for device in failed.ledger.devices if device.kind == "gpu")
        if on_gpus:
            return replace(self, gpu_bytes=int(on_gpus * LEAVES))
        return replace(self, ram_bytes=int(failed.ledger.total_bytes * LEAVES))

    def apply(self, machine: Machine) -> Machine:
        """The machine with no more free memory than that."""
        memory, free = machine.memory, sum(gpu.free_bytes for gpu in usable_gpus(machine))
        if self.ram_bytes is not None:
            memory = replace(memory, available_bytes=min(memory.available_bytes, self.ram_bytes))
        if self.gpu_bytes is None or self.gpu_bytes >= free:
            return replace(machine, memory=memory)
        share = self.gpu_bytes / free
        gpus = tuple(replace(gpu, free_bytes=int(gpu.free_bytes * share)) for gpu in machine.gpus)
        return replace(machine, memory=memory, gpus=gpus)


class Loader:
    """One model on this machine: plans, and loads what was planned."""

    def __init__(
        self,
        model: ModelFile,
        settings: Settings,
        options: LoadOptions,
        on_step: Callable[[LoadStep], None],
        *,
        inspect: Inspect = inspect_for,
        confirm: Confirm = confirm_load,
    ) -> None:
        self.settings = settings
        self._model = model
        self._options = options
        self._on_step = on_step
        self._inspect = inspect
        self._confirm = confirm

    def load(self, engine: Engine, on_progress: Callable[[float], None] | None = None) -> LoadPlan:
        """Load by the first plan that works, and return it.

        Raises UsageError (what no plan could heed), DoesNotFit (nothing works), LoadFailed.
        """
        limits = _Limits()
        failure: DoesNotFit | None = None
        for _attempt in range(ATTEMPTS):
            planned = self._plan(limits)
            if not self._may_be_tried(planned.plan):
                break
            self._on_step(LoadStep(planned.plan, failure))
            try:
                engine.load(on_progress, planned.parameters)
            except DoesNotFit as error:
                failure = error
                limits = limits.after_load(planned.plan)
            else:
                return planned
        raise failure or self._refusal(planned.plan)

    def _may_be_tried(self, plan: Plan) -> bool:
        return plan.ledger.fits or self._options.ignores_memory

    def _plan(self, limits: _Limits) -> LoadPlan:
        """The best plan that fits, by llama.cpp's own figures where it gives them; else the nearest to fitting."""
        machine = self._inspect(self._model, self.settings)
        for _attempt in range(ATTEMPTS):
            planned = self._plan_once(machine, limits)
            if is_tiny(self._model) or not planned.plan.ledger.fits:
                return planned
            confirmed = self._confirmed(planned)
            if confirmed.plan.ledger.fits:
                return confirmed
            limits = limits.after(planned.plan)
        return confirmed

    def _plan_once(self, machine: Machine, limits: _Limits) -> LoadPlan:
        on = limits.apply(machine)
        return plan_load(self._model, on, self.settings, self._options, may_repack=limits.may_repack)

    def _confirmed(self, planned: LoadPlan) -> LoadPlan:
        """The plan with llama.cpp's figures; a probe that gives none leaves the word to the load itself."""
        probed = self._confirm(planned.parameters, planned.machine, self.settings)
        if isinstance(probed, ProbeFailure):
            return planned
        ledger = confirmed_ledger(planned.plan, planned.machine, probed)
        parameters = with_caches(planned.parameters, ledger)
        return replace(planned, plan=replace(planned.plan, ledger=ledger), parameters=parameters)

    def _refusal(self, plan: Plan) -> DoesNotFit:
        """What is missing where, and what would help."""
        lacking = [device for device in plan.ledger.devices if not device.fits]
        needs = " and ".join(_need(device) for device in lacking)
        fixed = self._options.kv_type
        longest = max(plan.max_context.values()) if fixed is None else plan.max_context[fixed]
        hint = f"--ctx {longest}, which fits" if longest else _HINT
        context = render_count(plan.settings.context)
        return DoesNotFit(f"{self._model.name} does not fit with a context of {context} tokens: it needs {needs}", hint)


def _need(device: DeviceLedger) -> str:
    place = "of memory" if device.kind == "cpu" else f"on the {device.name}"
    return f"{render_bytes(device.total_bytes)} {place}, where {render_bytes(device.free_bytes)} are free"
