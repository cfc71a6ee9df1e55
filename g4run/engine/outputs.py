"""How many tokens of one decode call may need logits."""

MAX_DRAFT_TOKENS = 8  # tokens in a draft; 1 MiB of logits each at 262,144 tokens


def max_outputs(sequences: int, micro_batch: int) -> int:
    """Return the maximum: one token per sequence, or a draft and the newest token."""
    return max(sequences, min(1 + MAX_DRAFT_TOKENS, micro_batch))
