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


def main() -> int:
    """Run the parts that the command line asks for; the exit code is 1 if anything is wrong."""
    parser = argparse.ArgumentParser(
        description=scripts.device_proof.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", choices=[*_PARTS, []], default=list(_PARTS))
    parser.add_argument("--sizes", nargs="+", choices=SHAPES, default=tuple(SHAPES))
    parser.add_argument("--vulkan", action="store_true", help="use Vulkan's software device instead of RPC servers")
    given = parser.parse_args()
    if given.vulkan:
        os.environ["GGML_VK_VISIBLE_DEVICES"] = "0"
    wrong = prove_memory(given.sizes, is_vulkan=given.vulkan) if "memory" in given.parts else 0
    wrong += prove_tokens(is_vulkan=given.vulkan) if "tokens" in given.parts else 0
    wrong += prove_failures() if "failures" in given.parts and not given.vulkan else 0
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
