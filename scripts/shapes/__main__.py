"""The command line: write a GGUF file with the true shape of a Gemma 4 model."""

import argparse
from pathlib import Path

from scripts.shapes.mixes import MIXES
from scripts.shapes.sizes import SHAPES
from scripts.shapes.writer import write_shape


def main() -> None:
    """Write the file that the command line asks for."""
    parser = argparse.ArgumentParser(description="Write a GGUF file with the true shape of a Gemma 4 model.")
    parser.add_argument("size", choices=SHAPES)
    parser.add_argument("quantization", choices=MIXES)
    parser.add_argument("path", type=Path)
    parser.add_argument("--fill", choices=("sparse", "random"), default="sparse")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--vocabulary", type=Path, help="a GGUF file whose tokenizer is copied")
    given = parser.parse_args()
    write_shape(given.size, given.quantization, given.path, given.fill, given.seed, given.vocabulary)


if __name__ == "__main__":
    main()
