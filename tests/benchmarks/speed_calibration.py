"""Predict published speeds of devices that were left out of the calibration, by kind of device.

    python -m tests.benchmarks.speed_calibration [--rows]

Each row of tests/golden/speed-calibration.csv is predicted with constants fitted without its device; a ratio above 1 is
too fast, and "worst tenth" is the 90th percentile of the ratio or its inverse. "In range" counts rows in the range that
g4run states. The flat formula takes 55 % of the bandwidth. Prompts: g4run's own constants, fitted to these rows.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence

from g4run.planner.speed.calibration import CONSTANTS
from g4run.planner.speed.device_classes import DeviceClass
from tests.planner.speed.speed_fit import PROCESSORS, flat_ratio, judge, leave_one_device_out
from tests.planner.speed.speed_machines import observation, prompt_ratio
from tests.planner.speed.speed_rows import Row, generation_rows, prompt_rows, read_rows, used_rows

HEADING = (
    f"{'kind':28} {'devices':>7} {'rows':>5} {'median':>7} {'worst tenth':>12} {'within 15 %':>12} {'in range':>9}\n"
)
LONG = 32_768  # tokens before the one that is generated


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", action="store_true", help="every row too")
    given = parser.parse_args()
    predictions = _predictions()
    sys.stdout.write(
        f"{len(read_rows())} rows, {len(used_rows())} used, {len(predictions)} for generation\n\n{HEADING}"
    )
    for device_class in sorted({row.device_class for row, _ in predictions}):
        _print(device_class, [one for one in predictions if one[0].device_class == device_class])
    for name, is_chosen in (("at 32K tokens and beyond", True), ("before 32K tokens", False)):
        _print(name, [one for one in predictions if (one[0].position >= LONG) is is_chosen])
    for name, is_chosen in (("all processors", True), ("all GPUs", False)):
        _print(name, [one for one in predictions if (one[0].device_class in PROCESSORS) is is_chosen])
    _print("all", predictions)
    _print("all, flat 0.55", [(row, flat_ratio(observation(row))) for row, _ in predictions])
    _print("prompts, in-sample", [(row, prompt_ratio(row)) for row in prompt_rows()])
    if given.rows:
        for row, ratio in predictions:
            sys.stdout.write(f"{row.device:22} {row.size:8} {row.quantization:14} {row.position:>6} {ratio:6.2f}\n")


def _predictions() -> Sequence[tuple[Row, float]]:
    rows = sorted(generation_rows(), key=lambda row: row.device_class in PROCESSORS)
    count = sum(row.device_class not in PROCESSORS for row in rows)
    observations = [observation(row) for row in rows]
    ratios = (*leave_one_device_out(observations[:count]), *leave_one_device_out(observations[count:]))
    return tuple(zip(rows, ratios, strict=True))


def _print(name: str, predictions: Iterable[tuple[Row, float]]) -> None:
    chosen = tuple(predictions)
    accuracy = judge(ratio for _, ratio in chosen)
    devices, inside = len({row.device for row, _ in chosen}), sum(_is_inside(row, ratio) for row, ratio in chosen)
    sys.stdout.write(
        f"{name:28} {devices:7} {accuracy.rows:5} {accuracy.median_ratio:7.2f} {accuracy.worst_tenth:12.2f} "
        f"{accuracy.share_within:12.0%} {inside / len(chosen):9.0%}\n"
    )


def _is_inside(row: Row, ratio: float) -> bool:
    spread = CONSTANTS[DeviceClass(row.device_class)].spread
    return spread.low <= 1 / ratio <= spread.high


if __name__ == "__main__":
    main()
