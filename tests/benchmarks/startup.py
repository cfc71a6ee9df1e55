"""How long commands take to start, as multiples of `python -c "import typer"`, the least that any of them needs.

    python -m tests.benchmarks.startup [--runs 31]

The commands take turns, so that other programs slow all of them alike, and the median counts: of the time on the clock,
and of the processor time of the command with the processes that it starts. Bytecode is compiled before, and the
memory's bandwidth measured, as both are on a machine in use. `list` has 50 models, the other commands none.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from tests.fakes.stores import write_model

MODELS = 50
G4RUN = "import sys; from g4run.__main__ import main; sys.exit(main())"  # as the installed script does
COMMANDS = {
    "import typer": ("import typer",),
    "g4run --help": (G4RUN, "--help"),
    "g4run list": (G4RUN, "list"),
    "g4run list --available": (G4RUN, "list", "--available"),
    "g4run hardware": (G4RUN, "hardware"),
    "g4run plan demo": (G4RUN, "plan", "demo"),
    "g4run recommend": (G4RUN, "recommend"),
}


def main() -> None:
    """Measure and print a line for each command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=31)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as directory:
        homes = {name: _environment(Path(directory) / name.replace(" ", "-")) for name in COMMANDS}
        _fill(Path(directory), homes["g4run list"])
        for _ in range(5):  # a bandwidth measured on a busy machine is measured again up to five times
            for name, command in COMMANDS.items():
                _run(command, homes[name])
        times = [[_run(command, homes[name]) for name, command in COMMANDS.items()] for _ in range(runs)]
    _print([[median(column) for column in zip(*measured, strict=True)] for measured in zip(*times, strict=True)])


def _environment(home: Path) -> Mapping[str, str]:
    """An environment with a data directory of its own, in which Python keeps its bytecode."""
    given = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "G4RUN_", "HF_"))}
    here = str(Path(__file__).parents[2])
    return given | {"G4RUN_HOME": str(home), "HF_HUB_CACHE": str(home / "hub"), "PYTHONPATH": here}


def _fill(directory: Path, environment: Mapping[str, str]) -> None:
    for number in range(MODELS):
        path = write_model(directory / f"{number}.gguf")
        command = (G4RUN, "import", str(path), "--name", f"model-{number}")
        subprocess.run([sys.executable, "-c", *command], env=environment, check=True, capture_output=True)


def _run(command: tuple[str, ...], environment: Mapping[str, str]) -> tuple[float, float]:
    """Seconds on the clock, and of the processors."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-c", *command], env=environment, check=True, capture_output=True)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _print(medians: list[list[float]]) -> None:
    (clock, processor), *_ = medians
    sys.stdout.write(f"{'':28}{'clock':>18}{'processor':>18}\n")
    for name, (seconds, used) in zip(COMMANDS, medians, strict=True):
        sys.stdout.write(f"{name:28}{_column(seconds, clock)}{_column(used, processor)}\n")


def _column(seconds: float, least: float) -> str:
    return f"{seconds * 1e3:7.0f} ms {seconds / least:5.2f} x"


if __name__ == "__main__":
    main()
