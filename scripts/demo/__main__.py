"""Rebuild the built-in model: `python -m scripts.demo` from the repository's root.

Needs g4run and `scripts/demo/requirements.txt`, and no file from elsewhere. It learns the vocabulary, trains the
model from scratch on the CPU (an hour on two busy cores), and writes

    g4run/data/demo.gguf            the model
    tests/golden/demo_logits.npz    reference logits of the exported weights, for tests/test_demo_logits.py
    tests/golden/demo_prompts.json  prompts with the answers that were trained

Then it answers those prompts, held-out recalls and all sums through llama.cpp and prints how many are right. Seeds are
fixed; another processor's rounding still gives other weights. `--reuse` exports the weights of the last training.
"""

import argparse
import sys
from pathlib import Path

import torch

from scripts.demo import vocabulary
from scripts.demo.evaluate import Speaker, accuracy, every_sum, held_out_recall
from scripts.demo.export import export, rounded
from scripts.demo.golden import write_cases
from scripts.demo.model import Gemma4, Shape
from scripts.demo.references import write_references
from scripts.demo.train import train

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "g4run" / "data" / "demo.gguf"
GOLDEN = ROOT / "tests" / "golden"


def main() -> None:
    """Train, export, write the references, evaluate."""
    options = parse_arguments()
    options.work.mkdir(parents=True, exist_ok=True)
    tokenizer = vocabulary.build()
    weights = options.work / "weights.pt"
    if options.reuse:
        model = Gemma4(Shape(vocabulary=len(tokenizer.tokens)))
        model.load_state_dict(torch.load(weights, weights_only=True))
    else:
        model = train(tokenizer, weights)
    export(model, tokenizer, MODEL)
    for name, difference in write_references(rounded(model), tokenizer, GOLDEN / "demo_logits.npz").items():
        print(f"{difference:9.4f}  {name}", file=sys.stderr)
    speaker = Speaker(MODEL)
    accuracy(speaker, write_cases(GOLDEN / "demo_prompts.json"), "prompts of the tests")
    accuracy(speaker, held_out_recall(), "recall of held-out values")
    accuracy(speaker, every_sum(), "sums")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m scripts.demo", description="Rebuild the built-in model.")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "demo", help="where the weights are kept")
    parser.add_argument("--reuse", action="store_true", help="export the weights that are there")
    return parser.parse_args()


if __name__ == "__main__":
    main()
