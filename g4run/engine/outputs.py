"""After how many tokens of one decode call logits may be wanted."""

MAX_DRAFT_TOKENS = 8  # tokens of a draft, beside the newest; 1 MiB of logits each at 262,144 tokens


def max_outputs(sequences: int, micro_batch: int) -> int:
    """One token a sequence, or a draft and the newest token."""
    return max(sequences, min(1 + MAX_DRAFT_TOKENS, micro_batch))
