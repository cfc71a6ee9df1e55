"""The speed formula, checked against published measurements."""

import statistics
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest

from g4run.planner.speed.calibration import CONSTANTS, CORE_ATTENTION_FLOPS, LAW, PROMPT_SPREAD
from g4run.planner.speed.device_classes import DeviceClass, class_of_gpu, class_of_processors
from g4run.planner.speed.speed import estimate_speed
from tests.planner.speed.speed_fit import (
    CORE_WEIGHTS,
    PROCESSORS,
    Fit,
    Observation,
    columns_of,
    fit,
    flat_ratio,
    judge,
    leave_one_device_out,
)
from tests.planner.speed.speed_machines import machine_of, observation, plan_of, prompt_efficiency, prompt_ratio
from tests.planner.speed.speed_rows import generation_rows, prompt_rows, read_rows, used_rows

OBSERVATIONS = [observation(row) for row in generation_rows()]
GPUS = [one for one in OBSERVATIONS if one.device_class not in PROCESSORS]
CPUS = [one for one in OBSERVATIONS if one.device_class in PROCESSORS]
CLASSES = sorted({row.device_class for row in generation_rows()})
PROMPT_CLASSES = sorted({row.device_class for row in prompt_rows()})


@cache
def fitted(*, is_gpu: bool) -> Fit:
    return fit(GPUS if is_gpu else CPUS)


@cache
def left_out() -> tuple[float, ...]:
    """Return predicted to measured speed of GPUS, then CPUS."""
    return (*leave_one_device_out(GPUS), *leave_one_device_out(CPUS))


def constants_of(device_class: str) -> dict[str, float]:
    values = fitted(is_gpu=device_class not in PROCESSORS).values([device_class])
    return {name: float(value[0]) for name, value in values.items()}


def test_every_row_has_its_source_and_most_are_used() -> None:
    rows = read_rows()
    assert [row for row in rows if not row.source] == []
    assert (len(rows), len(used_rows()), len(generation_rows()), len(prompt_rows())) == (152, 119, 109, 44)


def test_no_used_row_beats_the_bandwidth() -> None:
    def read(one: Observation) -> float:
        return (one.weight_bytes + one.cache_bytes) / one.bytes_per_second * 1000

    assert [one for one in OBSERVATIONS if read(one) > 0.95 * one.milliseconds] == []


@pytest.mark.parametrize("device_class", CLASSES)
def test_the_constants_equal_the_fit(device_class: str) -> None:
    values, constants = constants_of(device_class), CONSTANTS[DeviceClass(device_class)]
    arithmetic = values["arithmetic"] * CORE_WEIGHTS.get(device_class, 1.0)
    assert constants.efficiency == pytest.approx(values["efficiency"], rel=0.002)
    assert constants.arithmetic == pytest.approx(arithmetic, rel=0.002)
    assert constants.layer_milliseconds == pytest.approx(values["layer_milliseconds"], rel=0.005)


def test_the_shared_constants_equal_the_fit() -> None:
    values, other = constants_of("other_gpu"), CONSTANTS[DeviceClass.OTHER_GPU]
    assert other.efficiency == pytest.approx(values["efficiency"], rel=0.002)
    assert other.arithmetic == pytest.approx(values["arithmetic"], rel=0.002)
    for name in LAW.__struct_fields__:
        assert getattr(LAW, name) == pytest.approx(values[name], rel=0.005)
    assert constants_of("x86")["attention_flops"] == pytest.approx(CORE_ATTENTION_FLOPS, rel=0.005)


def test_the_fit_recovers_known_constants() -> None:
    """Rows that follow the formula exactly give its constants back."""
    known = fitted(is_gpu=True)
    exact = [replace(one, milliseconds=float(value)) for one, value in zip(GPUS, predicted(known, GPUS), strict=True)]
    again = fit(exact, known)
    assert again.values(["nvidia"])["efficiency"] == pytest.approx(known.values(["nvidia"])["efficiency"], rel=0.02)


def test_four_of_five_unseen_rows_are_within_15_percent() -> None:
    formula, flat = judge(left_out()), judge(flat_ratio(one) for one in OBSERVATIONS)
    assert formula.share_within >= 0.8
    assert formula.worst_tenth <= 1.25
    assert 0.95 < formula.median_ratio < 1.05
    assert formula.share_within > flat.share_within + 0.4


def test_95_percent_of_unseen_rows_are_in_the_range_of_their_class() -> None:
    inside = [is_inside(one, ratio) for one, ratio in zip([*GPUS, *CPUS], left_out(), strict=True)]
    assert sum(inside) / len(inside) >= 0.95


def is_inside(one: Observation, ratio: float) -> bool:
    spread = CONSTANTS[DeviceClass(one.device_class)].spread
    return spread.low <= 1 / ratio <= spread.high


def test_a_plan_on_a_machine_equals_the_formula_on_a_row() -> None:
    rows = [row for row in generation_rows() if row.reads_head]
    speeds = [estimate_speed(plan_of(row), machine_of(row), position=row.position) for row in rows]
    times = [1000 / speed.generation.expected for speed in speeds]
    expected = [predicted(fitted(is_gpu=row.device_class not in PROCESSORS), [observation(row)])[0] for row in rows]
    assert times == pytest.approx(expected, rel=0.01)


def predicted(known: Fit, observations: Sequence[Observation]) -> Sequence[float]:
    return [float(value) for value in known.milliseconds(columns_of(observations))]


def test_machines_of_rows_have_their_class() -> None:
    for row in used_rows():
        machine = machine_of(row)
        found = class_of_gpu(machine.gpus[0]) if machine.gpus else class_of_processors(machine)
        assert found == row.device_class


@pytest.mark.parametrize("device_class", PROMPT_CLASSES)
def test_prompt_efficiencies_are_medians_of_the_rows(device_class: str) -> None:
    reached = [prompt_efficiency(row) for row in prompt_rows() if row.device_class == device_class]
    assert CONSTANTS[DeviceClass(device_class)].prompt_efficiency == pytest.approx(statistics.median(reached), rel=0.05)


def test_prompts_are_within_their_range() -> None:
    outside = [row for row in prompt_rows() if not PROMPT_SPREAD.low <= 1 / prompt_ratio(row) <= PROMPT_SPREAD.high]
    assert outside == []


def test_experts_on_the_cpu_cost_as_much_as_measured() -> None:
    rows = [row for row in used_rows() if row.cpu_expert_layers]
    assert [row.cpu_expert_layers for row in rows] == [4, 8, 16, 30]
    for row in rows:
        speed = estimate_speed(plan_of(row), machine_of(row), position=row.position)
        assert speed.generation.expected == pytest.approx(row.generation_tokens_per_second, rel=0.1)
        assert speed.prompt.expected == pytest.approx(row.prompt_tokens_per_second, rel=0.4)
