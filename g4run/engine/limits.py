"""Limits of the engine's numbers, apart from `parameters`, whose import takes longer than planning a model."""

MAX_COUNT = 2**31 - 1  # llama.cpp counts in 32-bit signed integers
MAX_DRAFT_TOKENS = 8  # tokens in a draft; 1 MiB of logits each at 262,144 tokens


def max_outputs(sequences: int, micro_batch: int) -> int:
    """Return how many tokens of one decode call may need logits: one per sequence, or a draft and the newest token."""
    return max(sequences, min(1 + MAX_DRAFT_TOKENS, micro_batch))
