"""Find how many conversations fit at the same time without slowing a model down."""

from msgspec.structs import replace

from g4run.hardware.machine import Machine
from g4run.planner.longest_context import first_accepted
from g4run.planner.placement import plan_model
from g4run.planner.values import ModelShape, Placement, Plan, PlanRequest, PlanSettings

MAX_SEQUENCES = 8


def max_sequences(
    shape: ModelShape, machine: Machine, request: PlanRequest, context_each: int, limit: int = MAX_SEQUENCES
) -> int:
    """Return how many sequences of `context_each` tokens fit with the settings for one sequence; 0 if not even one.

    They share one cache, up to the trained context. No layers, experts, or tables move for them, and the KV cache type
    stays.
    """

    def plan(sequences: int) -> Plan:
        return plan_model(shape, machine, replace(request, context=sequences * context_each, sequences=sequences))

    alone = plan(1)

    def fits(sequences: int) -> bool:
        if sequences * context_each > shape.architecture.context_length:
            return False
        several = plan(sequences)
        return several.ledger.fits and _speed_settings(several) == _speed_settings(alone)

    return first_accepted(range(limit, 0, -1), fits) or 0


def _speed_settings(plan: Plan) -> tuple[Placement, PlanSettings]:
    """Return what decides a plan's speed: its placement and settings without the lengths."""
    return plan.placement, replace(plan.settings, context=0, batch=0, micro_batch=0, sequences=0)
