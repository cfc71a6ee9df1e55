"""Cards that the environment hides, before and after a backend was asked."""

from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from g4run.hardware.gpus.gpus import Card, Vendor
from g4run.hardware.gpus.visibility import select_cards
from g4run.hardware.machine import GpuKind
from tests.hardware.recorded import load_recorded

CARDS = [
    Card(Vendor.NVIDIA, f"card {number}", GpuKind.DISCRETE, 1, 1, identifier=identifier)
    for number, identifier in enumerate(("GPU-aaaa", "GPU-abbb", "GPU-cccc"))
]


@pytest.mark.parametrize(
    ("variable", "numbers"),
    [
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("1", [1]),
        ("2,0", [2, 0]),
        (" 0 , 1 ", [0, 1]),
        ("0,7,1", [0]),
        ("GPU-ab", [1]),
        ("GPU-cccc,0", [2, 0]),
        ("0,,1", [0]),
    ],
)
def test_cards_are_chosen_as_cuda_chooses_them(variable: str, numbers: list[int]) -> None:
    assert select_cards(CARDS, variable) == [CARDS[number] for number in numbers]


@pytest.mark.parametrize(
    ("name", "environment", "seen"),
    [
        ("desktop-without-backend", {}, ["NVIDIA GeForce RTX 3090"]),
        ("desktop-without-backend", {"CUDA_VISIBLE_DEVICES": "0"}, ["NVIDIA GeForce RTX 3090"]),
        ("desktop-without-backend", {"CUDA_VISIBLE_DEVICES": ""}, []),
        ("desktop-without-backend", {"HIP_VISIBLE_DEVICES": ""}, ["NVIDIA GeForce RTX 3090"]),
        ("radeon-without-backend", {"HIP_VISIBLE_DEVICES": "0"}, ["AMD Radeon RX 7900 XTX"]),
        ("radeon-without-backend", {"ROCR_VISIBLE_DEVICES": "-1", "HIP_VISIBLE_DEVICES": "0"}, []),
    ],
)
def test_a_hidden_card_is_not_listed(name: str, environment: dict[str, str], seen: list[str], tmp_path: Path) -> None:
    machine = load_recorded(name, tmp_path, environment).inspect()
    assert [gpu.name for gpu in machine.gpus] == seen
    assert bool(machine.build.command) == bool(seen)


def test_a_card_that_cuda_was_told_to_hide_is_not_taken_for_one_it_cannot_use(tmp_path: Path) -> None:
    recorded = load_recorded("two-gpus", tmp_path, {"CUDA_VISIBLE_DEVICES": "0"})
    machine = replace(recorded, engine=structs.replace(recorded.engine, devices=recorded.engine.devices[:1])).inspect()
    assert [(gpu.name, gpu.backend) for gpu in machine.gpus] == [("NVIDIA GeForce RTX 3090", "CUDA")]
    assert machine.build.advice == ""
