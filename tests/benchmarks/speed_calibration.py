"""Compare the speed formula with a flat share of the bandwidth on published measurements of unseen devices.

    python -m tests.benchmarks.speed_calibration [--rows]

Generation: predicts each row of tests/golden/speed-calibration.csv with constants fitted without its device; above 1 is
too fast. The flat formula takes 55 % of the bandwidth for the same bytes. Prompts: g4run's own constants, which are
fitted to these rows.
"""

import argparse
import sys
from collections.abc import Sequence

from tests.planner.speed.speed_fit import (
    FLAT_FORMULA,
    PASCAL,
    PROCESSORS,
    Accuracy,
    fit_class,
    judge,
    leave_one_device_out,
    ratio,
)
from tests.planner.speed.speed_machines import prompt_ratio
from tests.planner.speed.speed_rows import generation_rows, observation, prompt_rows, read_rows, used_rows

HEADING = f"{'rows':44} {'n':>3} {'median':>7} {'p10':>6} {'p90':>6} {'within 15 %':>12}\n"
SHORT = 4096 + 128  # tokens before the one that is generated


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", action="store_true", help="every row too")
    given = parser.parse_args()
    sys.stdout.write(f"{len(read_rows())} rows, {len(used_rows())} used, {len(generation_rows())} for generation\n\n")
    rows = generation_rows()
    observations = [observation(row) for row in rows]
    ours = leave_one_device_out(observations, fit_class)
    flat = [ratio(FLAT_FORMULA, one) for one in observations]
    gpus = [row.device_class not in (*PROCESSORS, PASCAL) for row in rows]
    short = [is_gpu and row.position <= SHORT for row, is_gpu in zip(rows, gpus, strict=True)]
    sys.stdout.write(HEADING)
    for name, chosen in (("all", [True] * len(rows)), ("GPUs but Pascal", gpus), ("of these, context up to 4k", short)):
        _print(f"{name}, device left out", _chosen(ours, chosen))
        _print(f"{name}, flat 0.55", _chosen(flat, chosen))
    _print("prompts, in-sample", judge([prompt_ratio(row) for row in prompt_rows()]))
    if given.rows:
        for row, our, their in zip(rows, ours, flat, strict=True):
            sys.stdout.write(f"{row.device:22} {row.size:4} {row.position:>6} {our:6.2f} {their:6.2f}\n")


def _chosen(ratios: Sequence[float], chosen: Sequence[bool]) -> Accuracy:
    return judge(value for value, is_chosen in zip(ratios, chosen, strict=True) if is_chosen)


def _print(name: str, accuracy: Accuracy) -> None:
    within = round(accuracy.share_within * accuracy.rows)
    sys.stdout.write(
        f"{name:44} {accuracy.rows:3} {accuracy.median_ratio:7.2f} {accuracy.lowest_tenth:6.2f} "
        f"{accuracy.highest_tenth:6.2f} {within:5} = {accuracy.share_within:4.0%}\n"
    )


if __name__ == "__main__":
    main()
