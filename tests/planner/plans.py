"""What the planner weighs on the way to its plan: every placement, and the ledger of any settings."""

from g4run.hardware.machine import Machine
from g4run.kv_types import KvType
from g4run.planner.memory.ledger import ledger_of, shares_of
from g4run.planner.placement import Planner
from g4run.planner.values import Ledger, ModelShape, Plan, PlanRequest, PlanSettings


def settings_of(context: int, micro_batch: int = 512, sequences: int = 1, kv_type: KvType = KvType.F16) -> PlanSettings:
    """Return settings for the CPU with these lengths."""
    batch = micro_batch
    return PlanSettings(0, 0, kv_type, context, batch, micro_batch, sequences, 8, lazy_table=False, repack=False)


def estimate_ledger(shape: ModelShape, settings: PlanSettings, machine: Machine) -> Ledger:
    """Return what each device holds with these settings; GPUs first, the CPU last."""
    return ledger_of(shape, shares_of(shape, settings, machine), settings)


def plans_for(shape: ModelShape, machine: Machine, request: PlanRequest) -> tuple[Plan, ...]:
    """Return one plan for each sensible placement, the fastest first, whether it fits or not."""
    planner = Planner(shape, machine, request)
    plans = (planner.plan(placement) for placement in planner.placements())
    return tuple(plan for plan in plans if plan is not None)
