"""The command line of the proof."""

import argparse
import os
import sys

import scripts.device_proof
from scripts.device_proof.failures import prove_failures
from scripts.device_proof.memory import prove_memory
from scripts.device_proof.tokens import prove_tokens
from scripts.shapes.sizes import SHAPES

_PARTS = ("memory", "tokens", "failures")
_VULKAN = "vulkan"  # the software device instead of RPC servers


def main() -> int:
    """Run the parts that the command line asks for; the exit code is 1 if anything is wrong."""
    parser = argparse.ArgumentParser(
        description=scripts.device_proof.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", metavar="PART|SIZE|vulkan", help="of what is proven, only this")
    words = set(parser.parse_args().words)
    if unknown := words - {*_PARTS, *SHAPES, _VULKAN}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    is_vulkan = _VULKAN in words
    if is_vulkan:
        os.environ["GGML_VK_VISIBLE_DEVICES"] = "0"
    parts = words.intersection(_PARTS) or set(_PARTS)
    sizes = [size for size in SHAPES if size in words] or list(SHAPES)
    wrong = prove_memory(sizes, is_vulkan=is_vulkan) if "memory" in parts else 0
    wrong += prove_tokens(is_vulkan=is_vulkan) if "tokens" in parts else 0
    wrong += prove_failures() if "failures" in parts and not is_vulkan else 0
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
