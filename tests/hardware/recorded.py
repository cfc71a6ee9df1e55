"""Machines composed after their drivers' formats, none recorded: each a `machine.toml` and an `expected.json`.

`machine.toml` has the files of /proc and /sys, what programs print, and what ggml lists; `topology` stands for the two
files of each logical processor, numbered as the kernel does: all cores' first threads, then their second ones.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from g4run.engine.llama.devices import DeviceReport, EngineReport
from g4run.hardware.inspection import inspect_system
from g4run.hardware.machine import Bandwidth, Disk, FigureSource, Machine
from g4run.hardware.processors import parse_processor_list
from g4run.hardware.system import System, inspect_platform

FIXTURES = Path(__file__).parent / "fixtures"
NAMES = sorted(path.name for path in FIXTURES.iterdir() if path.is_dir())


@dataclass(frozen=True, slots=True)
class Recorded:
    """A machine, and what the engine would list on it."""

    system: System
    engine: EngineReport
    directories: Sequence[Path]
    bandwidth: Bandwidth

    def inspect(self) -> Machine:
        return inspect_system(
            self.system,
            lambda processors: self.engine,
            directories=self.directories,
            find_bandwidth=lambda processors, memory: self.bandwidth,
        )


def load_recorded(name: str, root: Path, environment: Mapping[str, str] | None = None) -> Recorded:
    """The machine of a fixture, its files laid below `root`."""
    content = tomllib.loads((FIXTURES / name / "machine.toml").read_text("utf-8"))
    _write_files(root, content.get("files", {}))
    _write_topology(root / "sys/devices/system/cpu", content.get("topology"))
    commands, disks = content.get("commands", {}), content.get("disks", {})
    system = System(
        platform=inspect_platform(content["system"], content["architecture"], root),
        root=root,
        environment=content.get("environment", {}) if environment is None else environment,
        allowed_processors=parse_processor_list(content["allowed"]) if "allowed" in content else None,
        run=lambda command: commands.get(" ".join(command)),
        find_disk=lambda path: Disk(path.as_posix(), *disks[path.as_posix()]),
        engine_version=lambda: "0.3.36",
    )
    devices = tuple(DeviceReport(**device) for device in content.get("devices", []))
    return Recorded(
        system=system,
        engine=EngineReport(tuple(content["backends"]), devices, has_amx=True),
        directories=[Path(path) for path in disks],
        bandwidth=Bandwidth(content["bandwidth"], FigureSource.MEASURED),
    )


def load_expected(name: str) -> object:
    """The whole machine as JSON."""
    return json.loads((FIXTURES / name / "expected.json").read_text("utf-8"))


def _write_files(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def _write_topology(directory: Path, topology: Mapping[str, int] | None) -> None:
    if topology is None:
        return
    cores = topology["packages"] * topology["cores"]
    for number in range(cores * topology["threads"]):
        core = number % cores
        files = {"physical_package_id": core // topology["cores"], "core_id": core % topology["cores"]}
        _write_files(directory / f"cpu{number}/topology", {name: f"{value}\n" for name, value in files.items()})
    _write_files(directory, {"online": f"0-{cores * topology['threads'] - 1}\n"})
