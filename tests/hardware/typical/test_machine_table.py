"""Typical machines, by the names that people give them."""

import pytest

from g4run.errors import UsageError
from g4run.hardware.gpus.gpu_table import find_gpu
from g4run.hardware.machine import Platform
from g4run.hardware.typical.machine_table import _table, find_machine, find_machine_with, typical_machine

GIB = 1 << 30
ROWS = [entry.row for entry in _table()]


@pytest.mark.parametrize(
    ("text", "name", "gib", "cores"),
    [
        ("Raspberry Pi 4 4GB", "Raspberry Pi 4", 4, 4),
        ("rpi5 16 gb", "Raspberry Pi 5", 16, 4),
        ("Pi 5", "Raspberry Pi 5", 8, 4),
        ("Raspberry Pi 5 Model B 2GB", "Raspberry Pi 5", 2, 4),
        ("Orange Pi 5 Plus 32GB", "RK3588", 32, 8),
        ("NVIDIA Jetson Orin Nano Super Developer Kit", "Jetson Orin Nano Super", 8, 6),
        ("Jetson AGX Orin 32GB", "Jetson AGX Orin", 32, 8),
        ("Jetson Xavier NX", "Jetson Xavier NX", 8, 6),
        ("MacBook Air M1", "M1", 8, 8),
        ("MacBook Pro M4 Pro 48GB", "M4 Pro", 48, 14),
        ("MacBook Pro 16-inch 2023 M2 Max 96GB", "M2 Max", 96, 12),
        ("Mac Studio M3 Ultra 512 GB", "M3 Ultra", 512, 32),
        ("M4 Max 36GB", "M4 Max", 36, 14),
        ("M4Max 128GB", "M4 Max", 128, 16),
        ("16GB M3 MacBook Air", "M3", 16, 8),
        ("Apple Silicon M1 Pro (32G)", "M1 Pro", 32, 10),
        ("Framework Desktop 64GB", "Ryzen AI Max+ 395", 64, 16),
        ("Ryzen AI Max 395 128GB", "Ryzen AI Max+ 395", 128, 16),
        ("Steam Deck OLED", "Steam Deck OLED", 16, 4),
        ("8845HS 64GB", "Ryzen 7 7840", 64, 8),
        ("Windows laptop 8GB", "laptop", 8, 4),
        ("VPS 8GB", "cloud VM", 8, 2),
        ("server 1TB", "server", 1024, 64),
    ],
)
def test_a_machine_is_found_by_its_names(text: str, name: str, gib: int, cores: int) -> None:
    known, memory_bytes = find_machine(text)
    assert (known.name, memory_bytes, known.cores) == (name, gib * GIB, cores)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("Raspberry Pi 7 8GB", "did you mean Raspberry Pi 5 or Raspberry Pi 4 or Raspberry Pi 3?"),
        ("laptop with RTX 4060", "did you mean laptop?"),
        ("Jetson Orin", "did you mean Jetson Orin Nano or Jetson Orin NX or Jetson AGX Orin?"),
        ("RX 7600 XT", 'use --gpu "RX 7600 XT", which is a GPU'),
        ("toaster", "give its figures instead, as in --ram 16GB --cores 8 --bandwidth 60GB/s --gpu none"),
        ("16GB", "give its figures instead, as in --ram 16GB --cores 8 --bandwidth 60GB/s --gpu none"),
    ],
)
def test_what_is_unknown_or_has_more_in_its_name_is_refused(text: str, hint: str) -> None:
    with pytest.raises(UsageError, match=rf"^there is no machine '{text}' in the table$") as caught:
        find_machine(text)
    assert caught.value.hint == hint


def test_a_chip_is_a_whole_machine_and_a_card_or_integrated_graphics_are_not() -> None:
    def machine_with(gpu: str, gib: int | None) -> tuple[str, int] | None:
        found = find_machine_with(gpu, None if gib is None else gib * GIB)
        return found and (found[0].name, found[1] // GIB)

    assert machine_with("M2", 24) == ("M2", 24)
    assert machine_with("GB10", None) == ("DGX Spark", 128)
    assert machine_with("Radeon 8050S", 64) == ("Ryzen AI Max 390", 64)
    assert machine_with("Steam Deck", None) == ("Steam Deck", 16)
    assert machine_with("RTX 4090", None) is None
    assert machine_with("Radeon 780M", 16) is None


@pytest.mark.parametrize(
    ("platform", "gib", "cores", "name", "expected"),
    [
        (Platform("Linux", "x86_64"), 8, None, "desktop", 4),
        (Platform("Windows", "x86_64"), 32, None, "desktop", 8),
        (Platform("Linux", "x86_64"), 400, None, "server", 32),
        (Platform("Linux", "x86_64"), 64, 48, "server", 32),
        (Platform("Linux", "arm64"), 8, None, "Raspberry Pi 5", 4),
        (Platform("Windows", "arm64"), 32, None, "Snapdragon X Elite", 12),
    ],
)
def test_what_is_typical_of_a_platform(
    platform: Platform, gib: int, cores: int | None, name: str, expected: int
) -> None:
    known = typical_machine(platform, gib * GIB, cores)
    assert (known.name, known.cores) == (name, expected)


def test_every_row_is_found_by_its_own_name_and_memory_and_has_its_gpu() -> None:
    for row in ROWS:
        found = [find_machine(f"{row.name} {size // GIB}GB")[0] for size in row.memory_bytes]
        assert found == [row] * len(found), row
        assert 0 < row.gpu_share <= 1 and (row.fast_cores or 1) <= row.cores, row
        assert not row.gpu or find_gpu(row.gpu) is not None, row
