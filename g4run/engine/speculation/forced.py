"""Drafts the tokens that a grammar forces, such as the keys of a JSON object. Pure."""

from collections.abc import Callable, Sequence


class ForcedDrafter:
    """Drafts the text that a request's grammar forces.

    The model may split that text into other tokens, so these drafts are verified as all others.
    """

    def __init__(self, forced_tokens: Callable[[int], list[int]]) -> None:
        """`forced_tokens` returns the forced tokens of a request by its id."""
        self._forced_tokens = forced_tokens

    def follow(self, request_id: int, sequence_id: int, length: int, index: int) -> None:
        """Do nothing: the grammar's state belongs to the request."""

    def propose(self, request_id: int, tokens: Sequence[int], limit: int) -> list[int]:
        """Draft the first `limit` forced tokens; none if the grammar leaves a choice."""
        return self._forced_tokens(request_id)[:limit]
