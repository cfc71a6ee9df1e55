"""Rebuild the drafter of the built-in model: `python -m scripts.drafter` from the repository's root.

Needs g4run and `scripts/demo/requirements.txt`, and `g4run/data/demo.gguf`, which it reads its target's weights from.
It trains on one thread of the CPU (eight minutes), and writes

    tests/data/demo-drafter.gguf    the drafter, which only tests need

Then it drafts answers to the demo's prompts through g4run's own engine and prints how many drafted tokens were right.
Seeds are fixed; another processor's rounding still gives other weights. `--reuse` exports the last training's weights.
"""

import argparse
from pathlib import Path

import torch

from scripts.demo import vocabulary
from scripts.drafter.evaluate import print_acceptance
from scripts.drafter.export import export
from scripts.drafter.model import Drafter, DrafterShape
from scripts.drafter.teacher import read_teacher
from scripts.drafter.train import train

ROOT = Path(__file__).parents[2]
TARGET = ROOT / "g4run" / "data" / "demo.gguf"
DRAFTER = ROOT / "tests" / "data" / "demo-drafter.gguf"
PROMPTS = ROOT / "tests" / "golden" / "demo_prompts.json"


def main() -> None:
    """Train, export, evaluate."""
    options = parse_arguments()
    options.work.mkdir(parents=True, exist_ok=True)
    tokenizer, target = vocabulary.build(), read_teacher(TARGET)
    weights = options.work / "weights.pt"
    if options.reuse:
        drafter = Drafter(DrafterShape(target.shape))
        drafter.load_state_dict(torch.load(weights, weights_only=True))
    else:
        drafter = train(target, tokenizer)
        torch.save(drafter.state_dict(), weights)
    export(drafter, tokenizer, DRAFTER)
    print_acceptance(TARGET, DRAFTER, tokenizer, PROMPTS)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m scripts.drafter", description="Rebuild the demo's drafter.")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "drafter", help="where the weights are kept")
    parser.add_argument("--reuse", action="store_true", help="export the weights that are there")
    return parser.parse_args()


if __name__ == "__main__":
    main()
