"""Prompt lookup: drafts what followed the last occurrence of the sequence's latest tokens. Pure.

It costs next to nothing and pays when an answer repeats earlier text: quotations, edited code, names, tables. The index
maps three tokens to the position where they last ended, and links each position to the previous one (as deflate finds
matches, RFC 1951, section 4); it grows with the sequence.
"""

from array import array
from collections.abc import Sequence

_KEY = 3  # tokens that must match: two match by chance too often, four miss the beginnings of names
_MAX_MATCH = 24  # tokens compared; a longer match predicts no better
_MAX_CANDIDATES = 16  # earlier positions compared, most recent first: bounds the work on repetitive text


class LookupDrafter:
    """Drafts from one request's tokens; starts over when the request changes."""

    def __init__(self) -> None:
        self._reset(-1)

    def follow(self, request_id: int, sequence_id: int, length: int, index: int) -> None:
        """Do nothing: drafts depend on the tokens alone."""

    def propose(self, request_id: int, tokens: Sequence[int], limit: int) -> list[int]:
        """Return what followed the longest match, the most recent one on a tie; empty without a match.

        A match close to the end continues into the draft itself, so a repeating pattern is drafted in full.
        """
        if request_id != self._request_id:
            self._reset(request_id)
        self._index(tokens)
        end = self._find_match(tokens)
        if end < 0 or limit <= 0:
            return []
        drafted: list[int] = []
        distance = len(tokens) - end
        for number in range(limit):
            drafted.append(tokens[end + number] if number < distance else drafted[number - distance])
        return drafted

    def _reset(self, request_id: int) -> None:
        self._request_id = request_id
        self._latest: dict[tuple[int, ...], int] = {}  # position where a key last ended
        self._earlier = array("i")  # previous end of the key that ends at token `_KEY + i`, or -1

    def _index(self, tokens: Sequence[int]) -> None:
        """Index every key that ends before the last token; the key that ends with it is looked up."""
        start = len(self._earlier)
        fresh = tokens[start : len(tokens) - 1]
        for offset, key in enumerate(zip(fresh, fresh[1:], fresh[2:], strict=False)):
            end = start + offset + _KEY
            self._earlier.append(self._latest.get(key, -1))
            self._latest[key] = end

    def _find_match(self, tokens: Sequence[int]) -> int:
        best, longest = -1, 0
        place = self._latest.get(tuple(tokens[-_KEY:]), -1)
        for _ in range(_MAX_CANDIDATES):
            if place < 0 or longest == _MAX_MATCH:
                break
            length = _match_length(tokens, place)
            if length > longest:
                best, longest = place, length
            place = self._earlier[place - _KEY]
        return best


def _match_length(tokens: Sequence[int], place: int) -> int:
    """Return how many tokens before `place` equal those at the end, at most `_MAX_MATCH`."""
    length, longest = 0, min(_MAX_MATCH, place)
    while length < longest and tokens[place - 1 - length] == tokens[-1 - length]:
        length += 1
    return length
