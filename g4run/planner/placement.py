"""Plan how to load a model on a machine: where its layers go, and the settings that follow.

Placements are tried from the fastest to the slowest: all layers on GPUs, experts on the CPU, as many layers on GPUs as
fit, the CPU alone. Requested settings stay; the others are chosen to fit the memory that is free now.
"""

from collections.abc import Iterator
from functools import partial
from itertools import product

from msgspec.structs import replace

from g4run.hardware.machine import GpuKind, Machine
from g4run.kv_types import KvType
from g4run.planner.hypothetical_machine import idle_machine
from g4run.planner.longest_context import KV_TYPES, LongestContexts, first_accepted
from g4run.planner.memory.layer_split import shares_main_memory, usable_gpus
from g4run.planner.memory.ledger import DeviceShare, is_repacked, ledger_of, shares_of
from g4run.planner.values import (
    DEFAULT_CONTEXT,
    MICRO_BATCH,
    Fit,
    Ledger,
    ModelShape,
    Placement,
    Plan,
    PlanRequest,
    PlanSettings,
)
from g4run.settings import Margin

MIN_CONTEXT = 4096  # shorter ones lose the conversation soon, and are used only if nothing else fits
CONTEXTS = (DEFAULT_CONTEXT, 6144, MIN_CONTEXT)
SHORT_CONTEXTS = (2048, 1024, 512)
IMAGE_MICRO_BATCH = 1152  # 12B and larger process an image's 1120 tokens at once (mtmd), rounded up to 128


def plan_model(shape: ModelShape, machine: Machine, request: PlanRequest) -> Plan:
    """Return the best plan: the fastest that fits with an f16 cache and at least MIN_CONTEXT, if there is one.

    Otherwise the one that fits with the smallest compromise, then one that takes part of the margins, or the one that
    comes closest to fitting.
    """
    plan = _best_plan(shape, machine, request)
    if plan.ledger.fits:
        return plan
    unkept = without_margin(machine)
    if not fits(shape, unkept, request):
        return plan
    tight = _best_plan(shape, unkept, request)
    return replace(tight, ledger=Planner(shape, machine, request).ledger(tight.settings))


def _best_plan(shape: ModelShape, machine: Machine, request: PlanRequest) -> Plan:
    planner = Planner(shape, machine, request)
    plans: list[Plan] = []
    for placement in planner.placements():
        plan = planner.plan(placement)
        plans += [plan] if plan else []
        if plan and plan.ledger.fits and _compromise(plan) == (0, 0):
            return plan
    fitting = [plan for plan in plans if plan.ledger.fits]
    return min(fitting, key=_compromise) if fitting else min(plans, key=lambda plan: missing_bytes(plan.ledger))


def fits(shape: ModelShape, machine: Machine, request: PlanRequest) -> bool:
    """Return whether the plan of `plan_model` fits, without computing that plan."""
    return Planner(shape, machine, request).has_fitting_plan()


def estimate_fit(shape: ModelShape, machine: Machine) -> Fit:
    """Return whether a model fits with the settings that the planner chooses."""
    if fits(shape, machine, PlanRequest()):
        return Fit.YES
    return Fit.TIGHT if fits(shape, without_margin(idle_machine(machine)), PlanRequest()) else Fit.NO


def without_margin(machine: Machine) -> Machine:
    """Return the machine for plans that may take all that is free."""
    return replace(machine, margin=Margin())


def plan_with_drafter(shape: ModelShape, drafter_bytes: int, machine: Machine, request: PlanRequest) -> Plan:
    """Return the best plan, including the drafter if it fits without changing the settings.

    Its compute buffers are exact where `exact_compute` knows them; those of `plan_model` are estimates beside a GPU.
    """
    from g4run.planner.memory.exact_compute import with_exact_compute  # noqa: PLC0415 - 3 ms that lists do not need

    plan = plan_model(shape, machine, request)
    if drafter_bytes:
        both = plan_model(replace(shape, drafter_bytes=drafter_bytes), machine, request)
        plan = both if both.ledger.fits and both.settings == plan.settings else plan
    return replace(plan, ledger=with_exact_compute(plan.ledger, plan.shape, plan.settings, machine))


def missing_bytes(ledger: Ledger) -> int:
    """Return how much memory is missing on all devices together, margins included; 0 if it fits."""
    return sum(max(0, device.margin_bytes - device.left_bytes) for device in ledger.devices)


def _compromise(plan: Plan) -> tuple[int, int]:
    """Return how much quality a plan gives up to fit, as a sort key."""
    return KV_TYPES.index(plan.settings.kv_type), int(plan.settings.context < MIN_CONTEXT)


class Planner:
    """Plans one model on one machine for one request."""

    def __init__(self, shape: ModelShape, machine: Machine, request: PlanRequest) -> None:
        self._shape = shape
        self._machine = machine
        self._request = request
        self._layers = shape.architecture.layers
        self._has_experts = shape.architecture.expert_count > 0
        self._has_gpu = bool(usable_gpus(machine))
        self._shares: dict[tuple[int, int, bool, bool], tuple[DeviceShare, ...]] = {}

    def placements(self) -> tuple[Placement, ...]:
        """Return the sensible placements, or the requested one.

        A split between CPU and GPU gains nothing where both have the same memory, so there it must be requested.
        """
        asked = self._request.gpu_layers
        if not self._has_gpu or asked == 0:
            return (Placement.CPU,)
        if asked is not None and asked <= self._layers:
            return (Placement.PARTIAL,)
        if self._has_experts and self._request.cpu_expert_layers:
            return (Placement.EXPERTS_ON_CPU,)
        if shares_main_memory(self._machine):
            return (Placement.GPU,) if asked is not None else (Placement.GPU, Placement.CPU)
        experts = (Placement.EXPERTS_ON_CPU,) if self._has_experts and self._request.cpu_expert_layers is None else ()
        others = () if asked is not None else (Placement.PARTIAL, Placement.CPU)
        return (Placement.GPU, *experts, *others)

    def plan(self, placement: Placement) -> Plan | None:
        """Return the placement's best plan; None if not even one layer fits on a GPU."""
        options = list(self._cache_options())
        first = self._complete(placement, self._base(*options[0]))
        if first is not None and first.ledger.fits:
            return first
        smallest = self._complete(placement, self._base(*options[-1]))
        if smallest is None or not smallest.ledger.fits:
            return first or smallest
        plans = (self._complete(placement, self._base(*option)) for option in options[1:-1])
        return next((plan for plan in plans if plan is not None and plan.ledger.fits), smallest)

    def has_fitting_plan(self) -> bool:
        """Return whether `plan` finds anything that fits, which is so if the first or the last option fits.

        The CPU comes first, because it is the fastest to plan.
        """
        if self._weights_exceed_memory():
            return False
        first, *_, last = (*self._cache_options(), *self._cache_options())
        return any(
            self._fits(placement, *option) for placement in reversed(self.placements()) for option in (last, first)
        )

    def _fits(self, placement: Placement, kv_type: KvType, context: int) -> bool:
        plan = self._complete(placement, self._base(kv_type, context))
        return plan is not None and plan.ledger.fits

    def _weights_exceed_memory(self) -> bool:
        """Return whether the weights alone are too large: except a lazy table, every placement has to hold them."""
        layers = sum(layer.dense_bytes + layer.expert_bytes for layer in self._shape.layers)
        own_memory = (gpu.free_bytes for gpu in usable_gpus(self._machine) if gpu.kind is GpuKind.DISCRETE)
        return self._shape.embedding_bytes + layers > self._machine.memory.available_bytes + sum(own_memory)

    def _cache_options(self) -> Iterator[tuple[KvType, int]]:
        """Yield combinations of KV cache type and context, the best first."""
        kv_types = (self._request.kv_type,) if self._request.kv_type else KV_TYPES
        if self._request.context is not None:
            yield from product(kv_types, [self._cap(self._request.context)])
            return
        yield from product(kv_types, dict.fromkeys(map(self._cap, CONTEXTS)))
        for context in SHORT_CONTEXTS:
            yield from product(kv_types, [self._cap(context)])

    def _cap(self, context: int) -> int:
        return min(context, self._shape.architecture.context_length)

    def _base(self, kv_type: KvType, context: int) -> PlanSettings:
        micro_batch = min(self._request.micro_batch or self._usual_micro_batch(), context)
        return PlanSettings(
            gpu_layers=0,
            cpu_expert_layers=0,
            kv_type=kv_type,
            context=context,
            batch=micro_batch,
            micro_batch=micro_batch,
            sequences=self._request.sequences,
            threads=self._machine.processors.threads,
            lazy_table=False,
            repack=False,
        )

    def _usual_micro_batch(self) -> int:
        sees_at_once = self._shape.projector_bytes > 0 and not self._shape.architecture.is_small
        return IMAGE_MICRO_BATCH if sees_at_once else MICRO_BATCH

    def _complete(self, placement: Placement, base: PlanSettings) -> Plan | None:
        """Choose the layers, then how the CPU keeps its weights; the longest contexts are of the same placement.

        A token reads one row of the table, so a lazy one costs little. With a GPU nothing is repacked, because its host
        buffer comes first in llama.cpp's list (src/llama-model.cpp:1093); a CPU plan is loaded with the GPUs hidden.
        """
        placed = self._placed(placement, base)
        if placed is None:
            return None
        may_repack = placement is Placement.CPU and self._request.may_repack
        repack = may_repack and is_repacked(self._shape.weight_type, self._machine)
        for lazy in (False, True) if self._shape.table_bytes else (False,):
            settings = replace(placed, lazy_table=lazy, repack=repack)
            ledger = self.ledger(settings)
            if ledger.fits:
                break
        known = {settings.kv_type: settings.context} if ledger.fits else {}
        longest = LongestContexts(partial(self._fits, placement), self._shape.architecture.context_length, known)
        return Plan(self._shape, placement, settings, ledger, longest)

    def _placed(self, placement: Placement, base: PlanSettings) -> PlanSettings | None:
        asked, experts = self._request.gpu_layers, self._request.cpu_expert_layers
        everything = replace(base, gpu_layers=self._layers + 1)
        match placement:
            case Placement.CPU:
                return base
            case Placement.GPU:
                return everything
            case Placement.EXPERTS_ON_CPU if experts is not None:
                return replace(everything, cpu_expert_layers=min(experts, self._layers))
            case Placement.EXPERTS_ON_CPU:
                return self._with_fewest_experts(everything)
            case Placement.PARTIAL if asked is not None:
                return replace(base, gpu_layers=asked, cpu_expert_layers=min(experts or 0, self._layers))
            case Placement.PARTIAL:
                return self._with_most_layers(base)

    def _with_fewest_experts(self, base: PlanSettings) -> PlanSettings:
        """Keep the experts of as few layers as possible on the CPU; of all layers if nothing fits."""

        def fits(number: int) -> bool:
            return self._gpus_fit(replace(base, cpu_expert_layers=number))

        return replace(base, cpu_expert_layers=first_accepted(range(1, self._layers + 1), fits) or self._layers)

    def _with_most_layers(self, base: PlanSettings) -> PlanSettings | None:
        """Put as many layers on the GPUs as fit; return None if not even one does."""

        def fits(number: int) -> bool:
            return self._gpus_fit(replace(base, gpu_layers=number))

        found = first_accepted(range(self._layers, 0, -1), fits)
        return replace(base, gpu_layers=found) if found else None

    def _gpus_fit(self, settings: PlanSettings) -> bool:
        return all(device.fits for device in self.ledger(settings).devices[:-1])

    def ledger(self, settings: PlanSettings) -> Ledger:
        """Return the ledger; the tensors are placed once for all contexts."""
        places = settings.gpu_layers, settings.cpu_expert_layers, settings.lazy_table, settings.repack
        if places not in self._shares:
            self._shares[places] = shares_of(self._shape, settings, self._machine)
        return ledger_of(self._shape, self._shares[places], settings)
