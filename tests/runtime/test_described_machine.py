"""Other machines: what a description leaves out is typical of them, and never measured here."""

from pathlib import Path

import pytest

from g4run.cli.arguments.machine import MachineOptions, resolve_machine
from g4run.errors import UsageError
from g4run.hardware.machine import Bandwidth, FigureSource, Machine, Platform
from g4run.hardware.machine_json import parse_machine
from g4run.runtime.described_machine import Description, describe_machine
from g4run.settings import Settings, read_settings
from tests.hardware.recorded import load_expected

GIB = 1 << 30


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings({"G4RUN_HOME": str(tmp_path)})


def describe(settings: Settings, **options: object) -> Machine:
    make: type[MachineOptions] = MachineOptions
    return resolve_machine(make(**options), settings)  # type: ignore[arg-type]


def test_another_amount_of_memory_is_another_machine(settings: Settings) -> None:
    machine = describe(settings, gpu=["none"], ram="16GiB")
    processors = machine.processors
    assert (processors.physical_cores, processors.model, processors.are_virtual) == (6, "", False)
    assert processors.instruction_sets == ("avx", "avx2", "fma", "f16c", "bmi2")
    assert machine.memory_bandwidth == Bandwidth(51.2e9, FigureSource.ASSUMED)
    assert machine.assumptions == ("a typical desktop with 6 cores (AVX2) and 16 GiB of memory at 51.2 GB/s",)
    assert not (settings.data_directory / "hardware.json").exists()  # nothing was measured


def test_other_cores_are_another_machine_with_this_memory(settings: Settings) -> None:
    here, machine = describe(settings), describe(settings, cores=12)
    assert (machine.processors.physical_cores, machine.processors.model) == (12, "")
    assert machine.memory.total_bytes == here.memory.total_bytes
    assert machine.memory_bandwidth.source is FigureSource.ASSUMED


def test_another_gpu_describes_another_machine_with_as_much_memory(settings: Settings) -> None:
    here, machine = describe(settings), describe(settings, gpu=["2x RTX 3060", "RTX 4070 24GB"])
    assert machine.memory.total_bytes == here.memory.total_bytes
    assert (machine.processors.model, machine.memory_bandwidth.source) == ("", FigureSource.ASSUMED)
    sizes = [(gpu.name, gpu.total_bytes // GIB) for gpu in machine.gpus]
    assert sizes == [("RTX 3060", 12), ("RTX 3060", 12), ("RTX 4070", 24)]
    assert machine.assumptions[0].startswith("a typical ")
    assert machine.assumptions[1:] == ("2 x RTX 3060 with 12 GiB each", "RTX 4070 with 24 GiB")


def test_memory_is_that_of_each_gpu_and_makes_an_unknown_one_known(settings: Settings) -> None:
    machine = describe(settings, gpu=["Voodoo 9 x2"], vram="20", ram="64")
    assert [(gpu.name, gpu.total_bytes, gpu.bandwidth) for gpu in machine.gpus] == [("Voodoo 9", 20 * 10**9, None)] * 2
    machine = describe(settings, gpu=["RTX 3090, RX 7900 XTX"], vram="12GiB", ram="64")
    assert [gpu.total_bytes for gpu in machine.gpus] == [12 * GIB] * 2
    with pytest.raises(UsageError, match=r"^'Voodoo 9' is not a known GPU$") as caught:
        describe(settings, gpu=["Voodoo 9"], ram="64")
    assert caught.value.hint == "give its memory, too, as in --vram 12GB, or use --gpu none"


def test_a_chip_is_a_whole_machine(settings: Settings) -> None:
    mac = describe(settings, gpu=["M3 Pro 36GB"])
    assert mac.platform == Platform("macOS", "arm64")
    assert (mac.processors.physical_cores, mac.processors.threads, mac.memory.total_bytes) == (12, 6, 36 * GIB)
    assert mac.memory_bandwidth == Bandwidth(150e9, FigureSource.NOMINAL)
    assert [(gpu.backend, gpu.total_bytes) for gpu in mac.gpus] == [("Metal", 24 * GIB)]
    assert mac.assumptions == (
        "M3 Pro with 12 cores (i8mm) and 36 GiB of memory at 150 GB/s",
        "M3 Pro with 24 GiB of that memory",
    )
    assert describe(settings, gpu=["M3 Pro"], ram="36GiB") == describe(settings, like="M3 Pro 36GB") == mac


def test_a_machine_may_be_named_and_changed(settings: Settings) -> None:
    board = describe(settings, like="Raspberry Pi 4 8GB")
    assert (board.gpus, board.platform) == ((), Platform("Linux", "arm64"))
    assert board.processors.instruction_sets == ("neon",)
    assert board.assumptions == ("Raspberry Pi 4 with 4 cores (NEON) and 8 GiB of memory at 12.8 GB/s",)
    faster = describe(settings, like="Raspberry Pi 4 8GB", bandwidth="20GB/s", ram="16GiB")
    assert (faster.memory.total_bytes, faster.processors) == (16 * GIB, board.processors)
    assert faster.memory_bandwidth == Bandwidth(20e9, FigureSource.NOMINAL)
    larger = describe(settings, like="cloud VM 16GB", cores=6)
    assert (larger.processors.physical_cores, larger.processors.are_virtual) == (6, True)
    with_card = describe(settings, like="laptop 16GB", gpu=["RTX 4050 Laptop"])
    assert [gpu.name for gpu in with_card.gpus] == ["RTX 4050 Laptop"]


def test_a_bandwidth_is_that_of_the_gpu_in_the_same_memory(settings: Settings) -> None:
    machine = describe(settings, like="Jetson Orin NX 16GB", bandwidth="80")
    assert [gpu.bandwidth for gpu in machine.gpus] == [machine.memory_bandwidth]
    assert machine.memory_bandwidth.bytes_per_second == 80e9
    with pytest.raises(UsageError, match=r"^--bandwidth must be an amount per second, not 'fast'$"):
        describe(settings, bandwidth="fast")


def test_what_excludes_each_other(settings: Settings) -> None:
    with pytest.raises(UsageError, match=r"^--like and --machine exclude each other$"):
        describe(settings, like="M1", file=Path("docs/examples/desktop.json"))
    with pytest.raises(UsageError, match=r"^--gpu none and another --gpu exclude each other$"):
        describe(settings, gpu=["none", "RTX 3060"])


def test_a_saved_machine_keeps_what_is_not_named(settings: Settings) -> None:
    saved = describe(settings, file=Path("docs/examples/desktop.json"))
    altered = describe(settings, file=Path("docs/examples/desktop.json"), ram="128GiB")
    assert saved.assumptions == ()
    assert (altered.processors, altered.memory_bandwidth, altered.gpus) == (
        saved.processors,
        saved.memory_bandwidth,
        saved.gpus,
    )
    assert altered.assumptions[0].startswith("the saved machine with 16 cores ")


def near(name: str, settings: Settings, **described: object) -> Machine:
    """Describe a machine on a recorded one."""
    recorded = parse_machine(load_expected(name))
    make: type[Description] = Description
    return describe_machine(make(**described), settings, lambda _settings, is_measured: recorded)  # type: ignore[arg-type]


def test_a_mac_with_more_memory_is_the_same_chip_and_one_with_a_card_is_a_pc(settings: Settings) -> None:
    mac = near("apple-16", settings, ram_bytes=64 * GIB)
    assert mac.assumptions == (
        "M4 with 10 cores (i8mm) and 64 GiB of memory at 120 GB/s",
        "M4 with 48 GiB of that memory",
    )
    assert near("apple-16", settings, gpus=("none",), ram_bytes=8 * GIB).gpus == ()
    computer = near("apple-16", settings, gpus=("RTX 4090",))
    assert (computer.platform, [gpu.backend for gpu in computer.gpus]) == (Platform("Linux", "x86_64"), ["CUDA"])
    assert computer.assumptions[0] == "a typical desktop with 6 cores (AVX2) and 16 GiB of memory at 51.2 GB/s"


def test_another_machine_has_this_one_s_cards_without_its_programs(settings: Settings) -> None:
    here = parse_machine(load_expected("busy-gpu"))
    machine = near("busy-gpu", settings, ram_bytes=32 * GIB)
    [gpu] = machine.gpus
    assert (gpu.name, gpu.bandwidth, gpu.processes) == (here.gpus[0].name, here.gpus[0].bandwidth, ())
    assert gpu.free_bytes > here.gpus[0].free_bytes
    assert (machine.memory_processes, machine.disks) == ((), ())
    [kept] = near("busy-gpu", settings, bandwidth=6e10).gpus
    assert kept == here.gpus[0]


def test_containers_and_virtual_processors_stay_here(settings: Settings) -> None:
    assert near("quota-2-of-64", settings, gpus=("none",)).processors.quota == 2
    assert near("quota-2-of-64", settings, gpus=("T4",)).processors.quota is None
    machine = near("quota-2-of-64", settings, cores=8)
    assert (machine.processors.quota, machine.processors.are_virtual, machine.platform.is_container) == (
        None,
        False,
        False,
    )
