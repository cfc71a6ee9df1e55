"""What the planner weighs on the way to its plan: every placement, and the ledger of any settings."""

from g4run.hardware.machine import Machine
from g4run.planner.memory.ledger import ledger_of, shares_of
from g4run.planner.placement import _Planner
from g4run.planner.values import Ledger, ModelShape, Plan, PlanRequest, PlanSettings


def estimate_ledger(shape: ModelShape, settings: PlanSettings, machine: Machine) -> Ledger:
    """Return what each device holds with these settings; GPUs first, the CPU last."""
    return ledger_of(shape, shares_of(shape, settings, machine), settings)


def plans_for(shape: ModelShape, machine: Machine, request: PlanRequest) -> tuple[Plan, ...]:
    """Return one plan for each sensible placement, the fastest first, whether it fits or not."""
    planner = _Planner(shape, machine, request)
    drafts = (planner.draft(placement) for placement in planner.placements())
    return tuple(planner.finish(draft) for draft in drafts if draft is not None)
