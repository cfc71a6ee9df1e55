"""Bounds of the engine's numbers; apart from `parameters`, which takes longer to import than it takes to plan."""

MAX_COUNT = 2**31 - 1  # llama.cpp counts in 32-bit signed integers
MAX_DRAFT_TOKENS = 8  # beside the newest; logits of each are wanted at once, 1 MiB at 262,144 tokens


def max_outputs(sequences: int, micro_batch: int) -> int:
    """Tokens of one decode call after which logits may be wanted: one a sequence, or a draft and the newest."""
    return max(sequences, min(1 + MAX_DRAFT_TOKENS, micro_batch))
