"""Drafting by looking up: what followed the last time that the sequence ended as it does now. Pure.

It costs next to nothing and pays where an answer repeats what stands before it: quotations, code that is changed,
names, tables. The index of a sequence is a dictionary from three tokens to where they last ended, and for each such
place the one before it (as deflate finds its matches, RFC 1951, section 4); it grows with the sequence.
"""

from array import array
from collections.abc import Sequence

_KEY = 3  # tokens that must agree: two agree by chance too often, four miss the beginnings of names
_LONGEST = 24  # tokens compared; a longer agreement says no more about what follows
_PLACES = 16  # earlier places compared, most recent first: bounds the work on a text that repeats itself


class LookupDrafter:
    """Guesses from the tokens of one request; with another's, it begins anew."""

    def __init__(self) -> None:
        self._begin(-1)

    def follow(self, request_id: int, sequence_id: int, length: int, index: int) -> None:
        """Need nothing: the tokens say it all."""

    def close(self) -> None:
        """Hold nothing that is not Python's."""

    def propose(self, request_id: int, tokens: Sequence[int], most: int) -> list[int]:
        """The continuation of the longest agreeing place, the most recent of equal ones; empty if there is none.

        A place close to the end continues into its own copy, so that a pattern that repeats is guessed whole.
        """
        if request_id != self._request_id:
            self._begin(request_id)
        self._index(tokens)
        end = self._best_place(tokens)
        if end < 0 or most <= 0:
            return []
        drafted: list[int] = []
        distance = len(tokens) - end
        for number in range(most):
            drafted.append(tokens[end + number] if number < distance else drafted[number - distance])
        return drafted

    def _begin(self, request_id: int) -> None:
        self._request_id = request_id
        self._latest: dict[tuple[int, ...], int] = {}  # where a key last ended
        self._earlier = array("i")  # where the key that ends at token `_KEY + i` ended before that; -1: nowhere

    def _index(self, tokens: Sequence[int]) -> None:
        """Enter every key that ends before the last token; the one that ends with it is what is looked up."""
        start = len(self._earlier)
        fresh = tokens[start : len(tokens) - 1]
        for offset, key in enumerate(zip(fresh, fresh[1:], fresh[2:], strict=False)):
            end = start + offset + _KEY
            self._earlier.append(self._latest.get(key, -1))
            self._latest[key] = end

    def _best_place(self, tokens: Sequence[int]) -> int:
        best, longest = -1, 0
        place = self._latest.get(tuple(tokens[-_KEY:]), -1)
        for _ in range(_PLACES):
            if place < 0 or longest == _LONGEST:
                break
            length = _agreement(tokens, place)
            if length > longest:
                best, longest = place, length
            place = self._earlier[place - _KEY]
        return best


def _agreement(tokens: Sequence[int], place: int) -> int:
    """How many tokens before `place` equal those before the end, at most `_LONGEST`."""
    length, most = 0, min(_LONGEST, place)
    while length < most and tokens[place - 1 - length] == tokens[-1 - length]:
        length += 1
    return length
