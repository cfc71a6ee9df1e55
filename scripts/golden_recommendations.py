"""Write or check the choices made for the machines of tests/planner/known_machines.py.

    golden_recommendations.py           write tests/golden/recommendations.txt
    golden_recommendations.py --check   compare instead of writing; 1 where it differs

Only the catalog that came with the program counts, and no measured speed: the table is the same on every machine.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden" / "recommendations.txt"
sys.path.insert(0, str(ROOT))

from tests.planner.golden_table import render_golden  # noqa: E402 - runs from a checkout, installed or not


def main() -> int:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    table = render_golden()
    if parser.parse_args().check:
        is_same = GOLDEN.read_text("utf-8") == table
        print("the choices are those of the golden file" if is_same else "the choices differ from the golden file")
        return 0 if is_same else 1
    GOLDEN.write_text(table, "utf-8", newline="\n")
    print(f"{len(table.splitlines())} lines written to {GOLDEN.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
