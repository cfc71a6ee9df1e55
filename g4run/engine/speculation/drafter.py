"""What speculation asks of whatever guesses tokens."""

from collections.abc import Sequence
from typing import Protocol


class Drafter(Protocol):
    """Guesses the next tokens of one request at a time; a request's tokens only ever grow."""

    def follow(self, request_id: int, sequence_id: int, length: int, index: int) -> None:
        """Note that the newest of a request's `length` tokens came from the logits at `index` of the last batch."""

    def propose(self, request_id: int, tokens: Sequence[int], most: int) -> list[int]:
        """At most `most` tokens that may follow `tokens`."""

    def close(self) -> None:
        """Free what it holds."""
