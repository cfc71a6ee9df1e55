"""The seam itself, on the machine that runs the tests, and the parts of Windows that can be written down."""

import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from g4run.hardware.build import rebuild_command
from g4run.hardware.gpus.gpus import Card, Vendor
from g4run.hardware.machine import Disk, GpuKind, Platform
from g4run.hardware.processors import Processors, parse_processor_list
from g4run.hardware.system import find_disk, inspect_platform, local_system, run_program
from g4run.hardware.windows import complete_windows_processors, find_windows_cards

CLASS = r"HKLM\SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}"
KEY = CLASS.replace("HKLM", "HKEY_LOCAL_MACHINE")
PROCESSOR = r"HKLM\HARDWARE\DESCRIPTION\System\CentralProcessor\0"
WINDOWS = {
    f"reg query {CLASS} /s /v DriverDesc": f"""
{KEY}\\0000
    DriverDesc    REG_SZ    AMD Radeon AI PRO R9700

{KEY}\\0001
    DriverDesc    REG_SZ    AMD Radeon(TM) Graphics

{KEY}\\0002
    DriverDesc    REG_SZ    NVIDIA GeForce RTX 3090

End of search: 3 match(es) found.
""",
    f"reg query {CLASS} /s /v HardwareInformation.qwMemorySize": f"""
{KEY}\\0000
    HardwareInformation.qwMemorySize    REG_QWORD    0x7f4000000

{KEY}\\0001
    HardwareInformation.qwMemorySize    REG_QWORD    0x20000000

{KEY}\\0002
    HardwareInformation.qwMemorySize    REG_QWORD    0x600000000
""",
    f"reg query {PROCESSOR} /v ProcessorNameString": f"""
{PROCESSOR}
    ProcessorNameString    REG_SZ    AMD Ryzen 7 7700X 8-Core Processor
""",
}


def test_windows_tells_its_cards_with_more_than_32_bits() -> None:
    system = replace(local_system(), run=lambda command: WINDOWS.get(" ".join(command)))
    size = 0x7F4000000
    assert find_windows_cards(system) == (Card(Vendor.AMD, "AMD Radeon AI PRO R9700", GpuKind.DISCRETE, size, size),)
    processors = complete_windows_processors(system, Processors(8, None))
    assert processors.model == "AMD Ryzen 7 7700X 8-Core Processor"


def test_the_command_that_mends_a_build_is_of_the_systems_shell() -> None:
    system = replace(local_system(), platform=Platform("Windows", "x86_64"), engine_version=lambda: "1.2")
    install = "pip install --force-reinstall --no-cache-dir --no-deps llama-cpp-python==1.2"
    assert rebuild_command("CUDA", system) == f'$env:CMAKE_ARGS="-DGGML_CUDA=on"; {install}'
    linux = replace(system, platform=Platform("Linux", "x86_64"))
    assert rebuild_command("Vulkan", linux) == f'CMAKE_ARGS="-DGGML_VULKAN=on" {install}'


def test_the_installed_engine_is_pinned() -> None:
    assert local_system().engine_version().startswith("0.3.")


@pytest.mark.parametrize(("code", "printed"), [("print('yes')", "yes\n"), ("print('no'); raise SystemExit(1)", None)])
def test_a_program_counts_if_it_succeeds(code: str, printed: str | None) -> None:
    answer = run_program((sys.executable, "-c", code))
    assert (answer and answer.replace("\r\n", "\n")) == printed


def test_a_program_that_is_not_there_says_nothing() -> None:
    assert run_program(("no-such-program-at-all",)) is None


def test_a_directory_that_is_not_made_yet_lies_on_its_parents_disk(tmp_path: Path) -> None:
    found, parent = find_disk(tmp_path / "a" / "b"), find_disk(tmp_path)
    assert found is not None
    assert parent is not None
    assert found == Disk(str(tmp_path / "a" / "b"), parent.total_bytes, found.free_bytes)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, Platform("Linux", "arm64")),
        ({"proc/sys/kernel/osrelease": "5.15.167.4-microsoft-standard-WSL2"}, Platform("Linux", "arm64", is_wsl=True)),
        ({"run/.containerenv": ""}, Platform("Linux", "arm64", is_container=True)),
        ({"proc/1/cgroup": "0::/system.slice/docker-12.scope"}, Platform("Linux", "arm64", is_container=True)),
    ],
)
def test_the_system_underneath(files: dict[str, str], expected: Platform, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert inspect_platform("Linux", "aarch64", tmp_path) == expected


@pytest.mark.parametrize(
    ("text", "numbers"), [("0-3,8", {0, 1, 2, 3, 8}), ("5", {5}), ("", set()), ("x,2-y", set()), ("0, 2", {0, 2})]
)
def test_lists_of_processors(text: str, numbers: set[int]) -> None:
    assert parse_processor_list(text) == numbers
