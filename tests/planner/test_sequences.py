"""How many conversations fit at the same time."""

from itertools import product

import pytest

from g4run.hardware.machine import Machine
from g4run.kv_types import KvType
from g4run.planner.placement import plan_model
from g4run.planner.sequences import max_sequences
from g4run.planner.values import Plan, PlanRequest
from tests.planner.machines import gpu, machine
from tests.planner.plans import estimate_ledger
from tests.planner.shapes import real_shape

ANYTHING = PlanRequest()
LARGE = machine(256, gpu(80))
MACHINES = (machine(23), machine(22, gpu(9)), machine(64, gpu(17.5)), machine(30, gpu(19.6)))
SIZES = ("12b", "26b", "31b")


def plan(size: str, here: Machine, sequences: int, each: int) -> Plan:
    return plan_model(real_shape(size), here, PlanRequest(context=sequences * each, sequences=sequences))


def test_as_many_sequences_as_wanted_fit_on_a_large_machine() -> None:
    assert max_sequences(real_shape("26b"), LARGE, ANYTHING, 8192) == 8
    assert max_sequences(real_shape("26b"), LARGE, ANYTHING, 8192, limit=3) == 3


def test_all_sequences_stay_within_the_trained_context() -> None:
    assert max_sequences(real_shape("26b"), LARGE, ANYTHING, 65_536) == 4
    assert max_sequences(real_shape("e2b"), LARGE, ANYTHING, 65_536) == 2
    assert max_sequences(real_shape("e2b"), LARGE, ANYTHING, 131_073) == 0


def test_no_sequence_fits_on_a_small_machine() -> None:
    assert max_sequences(real_shape("31b"), machine(8), ANYTHING, 4096) == 0


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("here", MACHINES)
def test_one_more_sequence_would_not_fit_or_change_the_plan(size: str, here: Machine) -> None:
    """Compare with a search through all counts."""
    alone = plan(size, here, 1, 8192)

    def stays(sequences: int) -> bool:
        several = plan(size, here, sequences, 8192)
        assert estimate_ledger(several.shape, several.settings, here) == several.ledger
        same = (several.placement, several.settings.gpu_layers, several.settings.cpu_expert_layers) == (
            alone.placement,
            alone.settings.gpu_layers,
            alone.settings.cpu_expert_layers,
        )
        return several.ledger.fits and same and several.settings.kv_type is alone.settings.kv_type

    expected = max((count for count in range(1, 9) if stays(count)), default=0)
    assert max_sequences(real_shape(size), here, ANYTHING, 8192) == expected


def test_a_quantized_cache_leaves_room_for_more_sequences() -> None:
    here = machine(64, gpu(22))
    found = [max_sequences(real_shape("31b"), here, PlanRequest(kv_type=kv_type), 8192) for kv_type in KvType]
    assert found == sorted(set(found))


def test_these_machines_give_different_results() -> None:
    """Otherwise a constant would pass the comparison above."""
    found = {max_sequences(real_shape(size), here, ANYTHING, 8192) for size, here in product(SIZES, MACHINES)}
    assert len(found) >= 4
