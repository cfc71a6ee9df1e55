"""The tokens that write an end of a grammar, such that their pieces are exactly its text."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from g4run.engine.following.completion import Part

_CHARACTER = re.compile(rb"[\x00-\x7f]|[\xc0-\xff][\x80-\xbf]*|[\x80-\xbf]", re.DOTALL)
_CONTINUATIONS = bytes(range(0x80, 0xC0))


class Spelling:
    """Turns texts into tokens. `tokenize` may fail for bytes that are no character, and for what it normalizes away."""

    def __init__(
        self,
        tokenize: Callable[[bytes], list[int]],
        piece_of: Callable[[int], bytes],
        byte_tokens: Mapping[int, int],
        named: Iterable[int],
    ) -> None:
        """`byte_tokens` are tokens of one byte each; `named` may stand for their text where that text is asked for."""
        self._tokenize = tokenize
        self._piece_of = piece_of
        self._byte_tokens = byte_tokens
        pieces = {piece_of(token): token for token in named}
        self._named = {piece: token for piece, token in pieces.items() if piece and tokenize(piece) != [token]}
        self._pattern = re.compile(b"|".join(map(re.escape, self._named))) if self._named else None

    def tokens(self, parts: Iterable[Part]) -> list[int] | None:
        """The tokens; None where a byte is needed that no token is."""
        try:
            return [token for part in parts for token in ([part] if isinstance(part, int) else self._spell(part))]
        except KeyError:
            return None

    def _spell(self, text: bytes) -> Iterator[int]:
        start = 0
        for match in self._pattern.finditer(text) if self._pattern else ():
            yield from self._spell_plain(text[start : match.start()])
            yield self._named[match.group()]
            start = match.end()
        yield from self._spell_plain(text[start:])

    def _spell_plain(self, text: bytes) -> Iterator[int]:
        rest = text.lstrip(_CONTINUATIONS)  # the end of a character whose beginning is written
        yield from (self._byte_tokens[byte] for byte in text[: len(text) - len(rest)])
        tokens = self._tokenize(rest) if rest else []
        if self._is_spelled(tokens, rest):
            yield from tokens
            return
        for character in _CHARACTER.findall(rest):
            tokens = self._tokenize(character)
            yield from (
                tokens if self._is_spelled(tokens, character) else (self._byte_tokens[each] for each in character)
            )

    def _is_spelled(self, tokens: list[int], text: bytes) -> bool:
        return b"".join(map(self._piece_of, tokens)) == text
