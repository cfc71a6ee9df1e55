"""The speed formula, checked against published measurements."""

import statistics

import pytest

from g4run.planner.speed.calibration import CONSTANTS, GPU_SPREAD, PROMPT_SPREAD
from g4run.planner.speed.device_classes import DeviceClass, class_of_gpu, class_of_processors
from g4run.planner.speed.speed import estimate_speed
from tests.planner.speed.speed_fit import (
    FLAT_FORMULA,
    PASCAL,
    PROCESSORS,
    Observation,
    fit_class,
    fit_formula,
    judge,
    leave_one_device_out,
    percentile,
    ratio,
)
from tests.planner.speed.speed_machines import machine_of, plan_of, prompt_efficiency, prompt_ratio
from tests.planner.speed.speed_rows import generation_rows, observation, prompt_rows, read_rows, used_rows

OBSERVATIONS = [observation(row) for row in generation_rows()]
GPUS = [one for one in OBSERVATIONS if one.device_class not in (*PROCESSORS, PASCAL)]
PROMPT_CLASSES = sorted({row.device_class for row in prompt_rows()} - set(PROCESSORS))


def test_every_row_has_its_source_and_most_are_used() -> None:
    rows = read_rows()
    assert [row for row in rows if not row.source] == []
    assert (len(rows), len(used_rows()), len(generation_rows()), len(prompt_rows())) == (102, 69, 60, 37)


def test_no_used_row_beats_the_bandwidth() -> None:
    assert [one for one in OBSERVATIONS if one.read_milliseconds(1.0) > 0.95 * one.milliseconds] == []


def test_the_fit_recovers_a_line() -> None:
    rows = [
        Observation("a", "x", 1e9 * size, 2e8 * size, 1e11, (1e9 + 3e8) * size / (0.5 * 1e11) * 1000 + 4)
        for size in (1, 2, 5)
    ]
    formula = fit_formula(rows, "x", 1.5)
    assert [formula.efficiency, formula.overhead_milliseconds] == pytest.approx([0.5, 4])


@pytest.mark.parametrize("device_class", DeviceClass)
def test_the_constants_equal_the_fit(device_class: DeviceClass) -> None:
    formula, constants = fit_class(OBSERVATIONS, device_class), CONSTANTS[device_class]
    assert constants.efficiency == pytest.approx(formula.efficiency, abs=0.001)
    assert constants.overhead_milliseconds == pytest.approx(formula.overhead_milliseconds, abs=0.01)
    assert constants.cache_weight == formula.cache_weight


def test_the_formula_beats_a_flat_share_of_the_bandwidth() -> None:
    formula = judge(leave_one_device_out(OBSERVATIONS, fit_class))
    flat = judge(ratio(FLAT_FORMULA, one) for one in OBSERVATIONS)
    assert formula.share_within > flat.share_within + 0.3
    assert formula.spread < 0.8 * flat.spread
    assert 0.95 < formula.median_ratio < 1.05


def test_on_gpus_three_of_four_unseen_rows_are_within_15_percent() -> None:
    formula = judge(leave_one_device_out(GPUS, fit_class))
    flat = judge(ratio(FLAT_FORMULA, one) for one in GPUS)
    assert formula.share_within > 0.75
    assert flat.share_within < 0.3
    assert formula.spread < 0.7 * flat.spread


def test_the_range_is_that_of_unseen_devices() -> None:
    ratios = sorted(leave_one_device_out(GPUS, fit_class))
    assert 1 / percentile(ratios, 0.95) == pytest.approx(GPU_SPREAD.low, abs=0.005)
    assert 1 / percentile(ratios, 0.05) == pytest.approx(GPU_SPREAD.high, abs=0.005)


def test_a_plan_on_a_machine_equals_the_formula_on_a_row() -> None:
    for row in generation_rows():
        if row.reads_head and row.device_class not in PROCESSORS:
            speed = estimate_speed(plan_of(row), machine_of(row), position=row.position)
            formula = fit_class(OBSERVATIONS, row.device_class)
            assert 1000 / speed.generation.expected == pytest.approx(formula.milliseconds(observation(row)), rel=0.01)


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
