"""Follows an answer through its grammar, byte by byte and token by token, as an automaton that is made on the way.

What a byte or a token leads to is remembered, so that a usual token costs a look-up. A grammar that can be read in too
many ways is lost: then nothing more is known.
"""

from collections.abc import Callable, Mapping

from g4run.engine.following.characters import LAST_ASCII
from g4run.engine.following.completion import Part, Way, complete, join
from g4run.engine.following.costs import INFINITE
from g4run.engine.following.places import Named, Places
from g4run.engine.following.stacks import MOST_STACKS, Frame, Stacks, TooAmbiguous, Tops
from g4run.engine.following.states import Partial, State, cheapest
from g4run.engine.gbnf import Gbnf

_MOST_BYTES = 8 << 20  # that are kept; then all but the present state is forgotten
# Bytes, of an object with its entries in dictionaries; see stacks.py.
_STATE_BYTES = 600
_STEP_BYTES = 100
_REFERENCE_BYTES = 8


class Follower:
    """The automaton of one grammar."""

    def __init__(
        self,
        grammar: Gbnf,
        token_ids: Mapping[str, int],
        piece_of: Callable[[int], bytes],
        ends: frozenset[int] = frozenset(),
    ) -> None:
        """`token_ids` are the tokens that the grammar names, as it writes them; `ends` those that end any answer."""
        self.places = Places(grammar, token_ids, ends)
        self._piece_of = piece_of
        self._stacks = Stacks(self.places)
        self._states: dict[tuple[Tops, Partial | None], State] = {}
        self._size_bytes = 0

    @property
    def size_bytes(self) -> int:
        """What is remembered, estimated."""
        return self._size_bytes + self._stacks.size_bytes

    def begin(self) -> State:
        """Where an answer begins. Raises TooAmbiguous."""
        return self._state(self._stacks.begin(), None)

    def after(self, state: State, token: int) -> State | None:
        """Where a token leads; None where the grammar does not permit it, or it is no UTF-8. Raises TooAmbiguous."""
        found = state.after_token.get(token)
        if found is None:
            found = self._after_token(state, token)
            if found is not None:
                state.after_token[token] = found
                self._size_bytes += _STEP_BYTES
        return found

    def write(self, state: State, text: bytes) -> State | None:
        """Where a text leads, whose bytes may end within a character. Raises TooAmbiguous."""
        at: State | None = state
        for byte in text:
            if at is None:
                return None
            following = at.after_byte.get(byte)
            if following is None:
                following = self._after_byte(at, byte)
                if following is not None:
                    at.after_byte[byte] = following
                    self._size_bytes += _STEP_BYTES
            at = following
        return at

    def way(self, state: State) -> Way | None:
        """The shortest way to the end of the grammar, as many bytes as the state's cost; None where there is none."""
        if state.cost == INFINITE:
            return None
        if state.partial is None:
            return Way(b"", min(state.tops, key=_cost_of))
        frame = cheapest(state.tops, state.partial)
        code = None if frame is None else frame.choose(state.partial.low, state.partial.high)
        assert frame is not None and code is not None  # the cost would be infinite
        try:
            behind = self._stacks.behind(frame)
        except TooAmbiguous:
            return None
        return Way(chr(code).encode()[-state.partial.missing :], min(behind, key=_cost_of))

    def completion(self, state: State) -> tuple[Part, ...] | None:
        """What is written on that way."""
        way = self.way(state)
        return None if way is None else join((way.first, *complete(way.rest, self.places)))

    def tidy(self, state: State) -> State:
        """The same state, with all else forgotten where much is kept. Raises TooAmbiguous where it is much alone."""
        if self.size_bytes <= _MOST_BYTES:
            return state
        self._stacks = Stacks(self.places)
        self._states = {}
        self._size_bytes = 0
        renewed = self._state(self._stacks.copy(state.tops), state.partial)
        if self.size_bytes > _MOST_BYTES // 2:
            raise TooAmbiguous
        return renewed

    def _after_token(self, state: State, token: int) -> State | None:
        """By its name, by its text, or both: llama-grammar.cpp:1489."""
        piece = self._piece_of(token)
        as_text = self.write(state, piece) if piece else None
        named = [frame for frame in state.tops if frame is not None and _is_named(frame, token)]
        if not named or state.partial is not None:
            return as_text
        if as_text is not None and as_text.partial is not None:
            return None
        return self._state(self._behind(named, as_text.tops if as_text else ()), None)

    def _after_byte(self, state: State, byte: int) -> State | None:
        if state.partial is None and byte <= LAST_ASCII:
            return self._after_character(state.tops, byte) if byte else None  # llama.cpp's texts end at NUL
        partial = Partial.begin(byte) if state.partial is None else state.partial.go_on(byte)
        if partial is None or partial.low > partial.high:
            return None
        if not partial.missing:
            return self._after_character(state.tops, partial.value)
        tops = tuple(frame for frame in state.tops if frame is not None and frame.could_take(partial.low, partial.high))
        return self._state(tops, partial) if tops else None

    def _after_character(self, tops: Tops, code: int) -> State | None:
        taking = [frame for frame in tops if frame is not None and frame.could_take(code, code)]
        return self._state(self._behind(taking, ()), None) if taking else None

    def _behind(self, frames: list[Frame], others: Tops) -> Tops:
        if len(frames) == 1 and not others:
            return self._stacks.behind(frames[0])
        found = dict.fromkeys(others)
        for frame in frames:
            found |= dict.fromkeys(self._stacks.behind(frame))
            if len(found) > MOST_STACKS:
                raise TooAmbiguous
        return tuple(found)

    def _state(self, tops: Tops, partial: Partial | None) -> State:
        found = self._states.get((tops, partial))
        if found is None:
            found = self._states[tops, partial] = State(tops, partial)
            self._size_bytes += _STATE_BYTES + _REFERENCE_BYTES * len(tops)
        return found


def _is_named(frame: Frame, token: int) -> bool:
    return isinstance(frame.place, Named) and frame.place.token == token


def _cost_of(frame: Frame | None) -> float:
    return 0 if frame is None else frame.cost
