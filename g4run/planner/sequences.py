"""How many conversations at a time a model has room for, without becoming slower for it."""

from dataclasses import replace

from g4run.hardware.machine import Machine
from g4run.kv_types import KvType
from g4run.planner.longest_context import first_accepted
from g4run.planner.placement import plan_model
from g4run.planner.values import ModelShape, Placement, Plan, PlanRequest

MAX_SEQUENCES = 8


def max_sequences(
    shape: ModelShape, machine: Machine, request: PlanRequest, context_each: int, most: int = MAX_SEQUENCES
) -> int:
    """The most sequences of `context_each` tokens that fit, loaded as one alone would be; 0 where not even one does.

    They share one cache, which is planned up to the length that the model was trained for. No layer, no expert and no
    table moves for them, and the cache keeps its type.
    """

    def plan(sequences: int) -> Plan:
        return plan_model(shape, machine, replace(request, context=sequences * context_each, sequences=sequences))

    alone = plan(1)

    def fits(sequences: int) -> bool:
        if sequences * context_each > shape.architecture.context_length:
            return False
        several = plan(sequences)
        return several.ledger.fits and _speed_settings(several) == _speed_settings(alone)

    return first_accepted(range(most, 0, -1), fits) or 0


def _speed_settings(plan: Plan) -> tuple[Placement, int, int, KvType, bool, bool]:
    """All of a plan that makes it as fast as it is, its lengths aside."""
    settings = plan.settings
    placed = settings.gpu_layers, settings.cpu_expert_layers
    return plan.placement, *placed, settings.kv_type, settings.lazy_table, settings.repack
