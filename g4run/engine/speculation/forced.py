"""Drafts the tokens that a grammar forces: the keys of a JSON object, what follows an enum's first letter. Pure."""

from collections.abc import Callable, Sequence


class ForcedDrafter:
    """Drafts from what a request's grammar says must follow.

    The model may spell the same text in other tokens, so the drafts are verified as any other.
    """

    def __init__(self, forced_tokens: Callable[[int], list[int]]) -> None:
        """`forced_tokens` gives those of a request by its id."""
        self._forced_tokens = forced_tokens

    def follow(self, request_id: int, sequence_id: int, length: int, index: int) -> None:
        """Do nothing: the grammar's state belongs to the request."""

    def propose(self, request_id: int, tokens: Sequence[int], limit: int) -> list[int]:
        """Draft the first `limit` forced tokens; none where the grammar leaves a choice."""
        return self._forced_tokens(request_id)[:limit]
