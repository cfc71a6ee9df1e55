"""The choices for all machines equal the golden file, are what experts would choose, and leave their margins free.

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


# What somebody who knows these machines would accept for a chat: sizes, and words of the quantization.
EXPECTED = {
    "desktop, RTX 3090 24 GB, 32 GB": r"31B Q4_0 QAT|26B A4B .*",
    "desktop, RTX 4090 24 GB, 64 GB": r"31B Q4_0 QAT|26B A4B .*",
    "desktop, RX 7900 XTX 24 GB, 32 GB": r"31B Q4_0 QAT|26B A4B .*",
    "desktop, two RTX 3090, 64 GB": r"31B Q[68]\S*",
    "desktop, RTX 4060 Ti 16 GB, 32 GB": r"26B A4B .*QAT",
    "desktop, RTX 4080 16 GB, 64 GB": r"26B A4B .*QAT",
    "desktop, RTX 3060 12 GB, 32 GB": r"12B .*|26B A4B Q4_0 QAT",
    "desktop, RTX 4070 12 GB, 32 GB": r"12B .*|26B A4B Q4_0 QAT",
    "desktop, RTX 3070 8 GB, 32 GB": r"E4B .*|26B A4B .*",
    "desktop, RTX 4060 8 GB, 8 GB": r"E4B .*|12B .*",
    "laptop, RTX 4060 8 GB, 16 GB": r"E4B .*|26B A4B .*",
    "laptop, no GPU, 8 GB": r"E[24]B .*QAT",
    "laptop, no GPU, 16 GB": r"E4B .*|26B A4B .*",
    "desktop, no GPU, 64 GB": r"26B A4B .*",
    "Apple M1, 8 GB": r"E[24]B .*QAT",
    "Apple M3, 8 GB": r"E[24]B .*QAT",
    "Apple M2, 16 GB": r"12B .*QAT|E4B .*",
    "Apple M4 Pro, 24 GB": r"26B A4B .*QAT",
    "Strix Halo, 128 GB": r"26B A4B Q8_0|31B Q8_0",
    "GB10, 128 GB": r"26B A4B Q8_0|31B Q8_0",
    "Apple M2 Ultra, 128 GB": r"26B A4B Q8_0|31B Q8_0",
    "Raspberry Pi 5, 8 GB": r"E2B .*",
    "server, A100 40 GB": r"31B Q8_0",
    "server, H100 80 GB": r"31B (?:Q8_0|BF16)",
}


def golden_lines() -> dict[str, list[str]]:
    """Return the lines of each machine by name."""
    blocks = [block.splitlines() for block in GOLDEN.split("\n\n")[1:]]
    return {block[0]: block[1:] for block in blocks}


def test_the_golden_file_has_all_of_over_eighty_machines() -> None:
    assert len(MACHINES) == len(tuple(known_machines())) >= 80
    assert list(golden_lines()) == list(MACHINES)
    assert {len(lines) for lines in golden_lines().values()} == {len(REQUESTS)}


@pytest.mark.parametrize("number", range(len(MACHINES)))
def test_the_choices_equal_the_golden_file(number: int) -> None:
    name, machine = list(MACHINES.items())[number]
    for column in {0, number % len(REQUESTS)}:
        label, request = REQUESTS[column]
        assert golden_lines()[name][column] == render_line(label, machine, request)


@pytest.mark.parametrize("name", EXPECTED)
def test_an_expert_would_choose_so(name: str) -> None:
    chosen = golden_lines()[name][0].removeprefix("  chat").strip()
    assert re.match(rf"(?:{EXPECTED[name]})\s", chosen), chosen


def test_with_quality_preferred_a_chat_stays_usable() -> None:
    """Below 4 tokens/s only on a machine where nothing is much faster."""
    for name, lines in golden_lines().items():
        speed, fastest = (float(re.findall(r"([\d.]+) \(", lines[column])[0]) for column in (1, 2))
        assert speed >= 4 or fastest < 8, name


def test_every_line_of_the_golden_file_leaves_its_margin_free() -> None:
    uses = [
        (float(used) + float(margin), float(free), line)
        for lines in golden_lines().values()
        for line in lines
        for used, margin, free in re.findall(r"[cg]pu ([\d.]+)\+([\d.]+) of ([\d.]+)", line)
    ]
    assert len(uses) > len(MACHINES) * len(REQUESTS)
    assert [line for taken, free, line in uses if taken > free + 0.015] == [], "each figure is rounded"


@pytest.mark.parametrize("number", range(len(COMBINATIONS)))
def test_no_choice_takes_more_than_its_margins_leave(number: int) -> None:
    preference, goal = COMBINATIONS[number]
    request = RecommendRequest(goal, preference)
    asked = dict(list(MACHINES.items())[number :: len(COMBINATIONS)])
    choices = {name: recommend(CATALOG, machine, request).best for name, machine in asked.items()}
    assert [name for name, best in choices.items() if best and is_overcommitted(best, MACHINES[name])] == []
    assert any(choices.values())


def is_overcommitted(best: Candidate, machine: Machine) -> bool:
    """Return whether a device holds more than its margin leaves, counted independently from the machine alone."""
    gpus = [gpu for gpu in machine.gpus if gpu.backend is not None]
    in_main = 0
    for device in best.plan.ledger.devices:
        gpu = next((gpu for place, gpu in enumerate(gpus) if place == device.gpu), None)
        if device.kind == "gpu" and (gpu is None or device.total_bytes + device.margin_bytes > gpu.free_bytes):
            return True
        in_main += device.total_bytes if gpu is None or gpu.kind is not GpuKind.DISCRETE else 0
    return in_main + best.plan.ledger.devices[-1].margin_bytes > machine.memory.available_bytes


def test_an_overcommitted_choice_would_be_found() -> None:
    machine = MACHINES["desktop, RTX 4090 24 GB, 64 GB"]
    best = recommend(CATALOG, machine, RecommendRequest(kv_type=KvType.F16)).require_best()
    assert not is_overcommitted(best, machine)
    assert is_overcommitted(best, MACHINES["laptop, no GPU, 8 GB"])
    assert is_overcommitted(best, MACHINES["desktop, RTX 4090 busy (20 GB held), 32 GB"])
    apple = MACHINES["Apple M1, 8 GB"]
    fitting = recommend(CATALOG, apple, RecommendRequest()).require_best()
    assert not is_overcommitted(fitting, apple)
