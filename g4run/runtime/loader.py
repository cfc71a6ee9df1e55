"""Load a model by its plan, and by the next plan that fits if less memory is available than expected.

Every attempt inspects the machine again and asks llama.cpp for its own figures; only a plan that fits by these is
loaded. If a load still runs out of memory, the next attempt assumes less free memory than it needed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from msgspec import structs

from g4run.engine.client import Engine
from g4run.engine.parameters import LoadParameters
from g4run.engine.probe.probe import Probed, ProbeFailure
from g4run.errors import DoesNotFit
from g4run.hardware.inspection import check_servers
from g4run.hardware.machine import Machine
from g4run.models.library import ModelFile
from g4run.planner.confirmed_ledger import confirmed_ledger
from g4run.planner.memory.layer_split import usable_gpus
from g4run.planner.values import DeviceLedger, Plan
from g4run.runtime.loading import LoadOptions, LoadPlan, inspect_for, is_tiny, plan_load, with_caches
from g4run.runtime.probe_cache import confirm_load
from g4run.settings import Settings
from g4run.units import render_bytes, render_count

MAX_ATTEMPTS = 6
MEMORY_BACKOFF = 0.9  # of the memory that did not fit, what the next attempt assumes to be free

Inspect: TypeAlias = Callable[[ModelFile, Settings, LoadOptions], Machine]
Confirm: TypeAlias = Callable[[LoadParameters, Machine, Settings], Probed]

_HINT = "close other programs, use what `g4run recommend` suggests, or add --force"


@dataclass(frozen=True, slots=True)
class LoadStep:
    """A plan that is about to be loaded; `failure` says why the previous attempt failed."""

    plan: Plan
    failure: DoesNotFit | None = None


@dataclass(frozen=True, slots=True)
class _Limits:
    """The most memory that can be free, learned from failures; None if unknown.

    Without `may_repack`, the CPU's weights keep the file's layout.
    """

    gpu_bytes: int | None = None
    ram_bytes: int | None = None
    may_repack: bool = True

    def after_load(self, failed: Plan) -> "_Limits":
        """Return the limits after a failed load; if it repacked weights, which only the CPU does, stop repacking.

        The system cannot evict repacked copies; it can evict weights mapped from the file and read them again.
        """
        return replace(self, may_repack=False) if failed.settings.repack else self.after(failed)

    def after(self, failed: Plan) -> "_Limits":
        """Return the limits after a plan did not fit: lower on the GPUs if it used any, else in main memory."""
        on_gpus = sum(device.total_bytes for device in failed.ledger.devices if device.kind == "gpu")
        if on_gpus:
            return replace(self, gpu_bytes=int(on_gpus * MEMORY_BACKOFF))
        return replace(self, ram_bytes=int(failed.ledger.total_bytes * MEMORY_BACKOFF))

    def apply(self, machine: Machine) -> Machine:
        """Return the machine with its free memory capped to the limits."""
        memory, free = machine.memory, sum(gpu.free_bytes for gpu in usable_gpus(machine))
        if self.ram_bytes is not None:
            memory = structs.replace(memory, available_bytes=min(memory.available_bytes, self.ram_bytes))
        if self.gpu_bytes is None or self.gpu_bytes >= free:
            return structs.replace(machine, memory=memory)
        share = self.gpu_bytes / free
        gpus = tuple(structs.replace(gpu, free_bytes=int(gpu.free_bytes * share)) for gpu in machine.gpus)
        return structs.replace(machine, memory=memory, gpus=gpus)


class Loader:
    """Plans and loads one model on this machine."""

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
        self._has_loaded = False

    def load(self, engine: Engine, on_progress: Callable[[float], None] | None = None) -> LoadPlan:
        """Load by the first plan that works and return it.

        An RPC server may be missing when a dead engine restarts, not before. Raises UsageError (options that no plan
        can meet), DoesNotFit (no plan works), LoadFailed, NetworkError (an RPC server does not answer).
        """
        limits = _Limits()
        failure: DoesNotFit | None = None
        for _attempt in range(MAX_ATTEMPTS):
            planned = self._plan(limits)
            if not (planned.plan.ledger.can_load or self._options.ignores_memory):
                break
            self._on_step(LoadStep(planned.plan, failure))
            try:
                engine.load(on_progress, planned.parameters)
            except DoesNotFit as error:
                failure = error
                limits = limits.after_load(planned.plan)
            else:
                self._has_loaded = True
                return planned
        raise failure or self._refusal(planned.plan)

    def _plan(self, limits: _Limits) -> LoadPlan:
        """Return the best plan that fits, by llama.cpp's own figures if available; else the closest one."""
        machine = self._inspect(self._model, self.settings, self._options)
        options = self._options
        if not self._has_loaded:
            check_servers(machine, options.rpc_servers)
        elif set(options.rpc_servers) - set(machine.rpc_servers):  # the requested placement needs what is lost
            options = structs.replace(options, gpu_layers=None, cpu_expert_layers=None)
        for _attempt in range(MAX_ATTEMPTS):
            limited = limits.apply(machine)
            planned = plan_load(self._model, limited, self.settings, options, may_repack=limits.may_repack)
            is_on_cpu = not planned.plan.settings.gpu_layers
            if (is_on_cpu and is_tiny(self._model)) or not planned.plan.ledger.can_load:
                return planned
            confirmed = self._confirmed(planned)
            if confirmed.plan.ledger.can_load:
                return confirmed
            limits = limits.after(planned.plan)
        return confirmed

    def _confirmed(self, planned: LoadPlan) -> LoadPlan:
        """Return the plan with llama.cpp's figures; if the probe fails, the load itself decides."""
        probed = self._confirm(planned.parameters, planned.machine, self.settings)
        if isinstance(probed, ProbeFailure):
            return planned
        ledger = confirmed_ledger(planned.plan, planned.machine, probed)
        parameters = with_caches(planned.parameters, ledger)
        return replace(planned, plan=structs.replace(planned.plan, ledger=ledger), parameters=parameters)

    def _refusal(self, plan: Plan) -> DoesNotFit:
        """Say which devices lack memory, and what would fit."""
        lacking = [device for device in plan.ledger.devices if device.left_bytes < 0]
        needs = " and ".join(_need(device) for device in lacking)
        fixed = self._options.kv_type
        longest = max(plan.max_context.values()) if fixed is None else plan.max_context[fixed]
        hint = f"--ctx {longest}, which fits" if longest else _HINT
        context = render_count(plan.settings.context)
        return DoesNotFit(f"{self._model.name} does not fit with a context of {context} tokens: it needs {needs}", hint)


def _need(device: DeviceLedger) -> str:
    place = "of memory" if device.kind == "cpu" else f"on the {device.name}"
    return f"{render_bytes(device.total_bytes)} {place} ({render_bytes(device.free_bytes)} free)"
