"""The choices for all machines equal the golden file, and none takes more memory than is free.

scripts/golden_recommendations.py --check recomputes the whole golden file. These tests check chat and one other column
for each machine, and every goal with every preference on some machines.
"""

import re
from itertools import product
from pathlib import Path

import pytest

from g4run.hardware.machine import GpuKind, Machine
from g4run.kv_types import KvType
from g4run.planner.recommend.candidates import Candidate
from g4run.planner.recommend.goals import Goal, Preference, RecommendRequest
from g4run.planner.recommend.recommend import recommend
from tests.planner.golden_table import CATALOG, REQUESTS, render_line
from tests.planner.known_machines import known_machines

GOLDEN = (Path(__file__).parents[2] / "golden" / "recommendations.txt").read_text("utf-8")
MACHINES = dict(known_machines())
COMBINATIONS = tuple(product(Preference, Goal))


def golden_lines() -> dict[str, list[str]]:
    """Return the lines of each machine by name."""
    blocks = [block.splitlines() for block in GOLDEN.split("\n\n")[1:]]
    return {block[0]: block[1:] for block in blocks}


def test_the_golden_file_has_all_of_over_forty_machines() -> None:
    assert len(MACHINES) == len(tuple(known_machines())) >= 40
    assert list(golden_lines()) == list(MACHINES)
    assert {len(lines) for lines in golden_lines().values()} == {len(REQUESTS)}


@pytest.mark.parametrize("number", range(len(MACHINES)))
def test_the_choices_equal_the_golden_file(number: int) -> None:
    name, machine = list(MACHINES.items())[number]
    for column in {0, number % len(REQUESTS)}:
        label, request = REQUESTS[column]
        assert golden_lines()[name][column] == render_line(label, machine, request)


def test_no_line_of_the_golden_file_is_overcommitted() -> None:
    uses = [
        (float(used), float(free), line)
        for lines in golden_lines().values()
        for line in lines
        for used, free in re.findall(r"[cg]pu ([\d.]+) of ([\d.]+)", line)
    ]
    assert len(uses) > len(MACHINES) * len(REQUESTS)
    assert [line for used, free, line in uses if used > free] == []


@pytest.mark.parametrize("number", range(len(COMBINATIONS)))
def test_no_choice_takes_more_than_is_free(number: int) -> None:
    preference, goal = COMBINATIONS[number]
    request = RecommendRequest(goal, preference)
    asked = dict(list(MACHINES.items())[number :: len(COMBINATIONS)])
    choices = {name: recommend(CATALOG, machine, request).best for name, machine in asked.items()}
    assert [name for name, best in choices.items() if best and is_overcommitted(best, MACHINES[name])] == []
    assert any(choices.values())


def is_overcommitted(best: Candidate, machine: Machine) -> bool:
    """Return whether a device holds more than is free, counted independently from the machine alone."""
    gpus = [gpu for gpu in machine.gpus if gpu.backend is not None]
    in_main = 0
    for device in best.plan.ledger.devices:
        gpu = next((gpu for place, gpu in enumerate(gpus) if place == device.gpu), None)
        if device.kind == "gpu" and (gpu is None or device.total_bytes > gpu.free_bytes):
            return True
        in_main += device.total_bytes if gpu is None or gpu.kind is not GpuKind.DISCRETE else 0
    return in_main > machine.memory.available_bytes


def test_an_overcommitted_choice_would_be_found() -> None:
    machine = MACHINES["desktop, RTX 4090 24 GB, 64 GB"]
    best = recommend(CATALOG, machine, RecommendRequest(kv_type=KvType.F16)).require_best()
    assert not is_overcommitted(best, machine)
    assert is_overcommitted(best, MACHINES["laptop, no GPU, 8 GB"])
    assert is_overcommitted(best, MACHINES["desktop, RTX 4090 busy (20 GB held), 32 GB"])
    apple = MACHINES["Apple M1, 8 GB"]
    fitting = recommend(CATALOG, apple, RecommendRequest()).require_best()
    assert not is_overcommitted(fitting, apple)
