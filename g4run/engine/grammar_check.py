"""Compile a grammar within bounds of time and memory, and check one before its request goes to the engine.

llguidance compiles Lark text. Its own limits refuse most of what is too large; what they do not bound is refused here.
"""

import contextlib
import json
import math
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

MAX_GRAMMAR_BYTES = 1 << 20
MAX_GRAMMAR_LINES = 10_000
MAX_MULTIPLE = 50_000  # multipleOf becomes an automaton with a state for each remainder: 40 µs and 400 bytes each
COMPILE_SECONDS = 10.0

# Bytes of address space: llguidance follows rules recursively, and crashes where 2,000 of them refer to each other in
# the main thread's 8 MB. Only what is touched takes memory.
_STACK_BYTES = 256 << 20
_TOKENS_OF_BYTES = 256
_PLACE = re.compile(r"^(?:at )?(\d+)\((\d+)\): ")
_REASON_BELOW = re.compile(r"^error: (.*)$", re.MULTILINE)  # of a regular expression
_UNKNOWN_TOKEN = re.compile(r'unknown special token: "(.*?)"')


@dataclass(frozen=True, slots=True)
class TokenizerParts:
    """A vocabulary in the shape that llguidance.TokenizerWrapper asks for; called, it tokenizes text."""

    tokens: Sequence[bytes]
    special_token_ids: Sequence[int]
    eos_token_id: int
    tokenize: Callable[[bytes], list[int]]
    bos_token_id: int | None = None

    def __call__(self, text: bytes) -> list[int]:
        """Tokens of UTF-8 text."""
        return self.tokenize(text)


def check_grammar(lark: str) -> None:
    """Check a Lark grammar without a vocabulary. Any token that it names counts as known.

    Raises ValueError with the reason why llguidance cannot use it.
    """
    compiled(compile_apart(lambda: compile_grammar(_byte_tokenizer(lark), lark)))


def compile_grammar(tokenizer: "LLTokenizer", lark: str) -> "LLMatcher":
    """Compile a Lark grammar, whose start rule is `start`. Raises ValueError with the reason if that is impossible."""
    from llguidance import LLMatcher, LLParserLimits  # noqa: PLC0415 - 60 ms that only constrained decoding needs

    _refuse_excess(lark)
    limits = LLParserLimits(
        initial_lexer_fuel=200_000,  # bounds compiling a terminal to 0.5 s; the default to 3 s and 200 MB
        max_grammar_size=30_000,  # compiling time grows with its square: 1.3 s
        max_lexer_states=50_000,  # up to 2 kB each
        step_max_items=1_000_000,  # 0.1 s; a grammar written character by character passes the default
        verbose_errors=False,
    )
    matcher = LLMatcher(tokenizer, LLMatcher.grammar_from_lark(lark), limits=limits, log_level=0)
    if matcher.is_error():
        raise ValueError(f"grammar{_readable(matcher.get_error())}")
    return matcher


def compile_apart(compile: Callable[[], "LLMatcher"]) -> "Future[LLMatcher]":
    """Run this in a thread with room for deep recursion. llguidance releases the interpreter lock while it compiles."""
    future: Future[LLMatcher] = Future()

    def run() -> None:
        try:
            future.set_result(compile())
        except ValueError as error:
            future.set_exception(error)

    before = threading.stack_size(_STACK_BYTES)
    try:
        threading.Thread(target=run, daemon=True).start()
    finally:
        threading.stack_size(before)
    return future


def compiled(future: "Future[LLMatcher]") -> "LLMatcher":
    """The compiled grammar, waiting for it if need be. Raises ValueError if there is none, or it takes too long."""
    try:
        return future.result(COMPILE_SECONDS)
    except TimeoutError:
        raise ValueError(f"grammar: it takes more than {COMPILE_SECONDS:.0f} seconds to compile") from None


def _byte_tokenizer(lark: str) -> "LLTokenizer":
    """A vocabulary of the single bytes and of the tokens that a grammar names: <name>, or <[id]>."""
    from llguidance import LLTokenizer, TokenizerWrapper  # noqa: PLC0415 - 60 ms that only constrained decoding needs

    named = sorted({each.encode() for each in re.findall(r"<[^\s<>\[]+>", lark)})
    ids = [int(each) for each in re.findall(r"\d{1,6}", "".join(re.findall(r"<\[[^\]]*\]>", lark)))]
    tokens = [*(bytes([byte]) for byte in range(_TOKENS_OF_BYTES)), b"<eos>", *named]
    special = range(_TOKENS_OF_BYTES, len(tokens))
    unused = [b""] * (max(ids, default=0) + 1 - len(tokens))
    parts = TokenizerParts([*tokens, *unused], special, _TOKENS_OF_BYTES, list)
    return LLTokenizer(TokenizerWrapper(parts), slices=[])


def _refuse_excess(lark: str) -> None:
    """Refuse what llguidance would compile for minutes, or crash on."""
    size, lines = len(lark.encode()), lark.count("\n") + 1
    if size > MAX_GRAMMAR_BYTES or lines > MAX_GRAMMAR_LINES:
        most = f"{MAX_GRAMMAR_BYTES:,} bytes in {MAX_GRAMMAR_LINES:,} lines"
        raise ValueError(f"grammar: it is too large, with {size:,} bytes in {lines:,} lines; the most is {most}")
    if lark.lstrip().startswith("{"):
        raise ValueError("grammar, line 1, column 1: a Lark grammar is expected, not JSON")
    if math.lcm(*_multiples(lark)) > MAX_MULTIPLE:
        raise ValueError(f"grammar: its multipleOf is too large: up to {MAX_MULTIPLE:,}, together and without a point")


def _multiples(lark: str) -> list[int]:
    """Digits of each multipleOf in the schemas of a grammar."""
    found: list[object] = []

    def note(members: list[tuple[str, object]]) -> None:
        found.extend(value for name, value in members if name == "multipleOf")

    decoder = json.JSONDecoder(object_pairs_hook=note, parse_int=Decimal, parse_float=Decimal)
    for match in re.finditer(r"%json\s*", lark):
        with contextlib.suppress(ValueError, RecursionError):  # llguidance will say so
            decoder.raw_decode(lark, match.end())
    return [_digits(value) for value in found if isinstance(value, Decimal) and value]


def _digits(value: Decimal) -> int:
    """The number without its decimal point: 25 for 2.5, 1000 for 1E+3; capped where it is too large anyway."""
    parts = value.as_tuple()
    assert isinstance(parts.exponent, int)
    digits = int("".join(map(str, parts.digits[:9])))
    return digits * int(10 ** min(max(parts.exponent, 0), 9))


def _readable(error: str) -> str:
    """llguidance's message as the end of a sentence: the place and the reason, without the lines that it quotes."""
    if found := _UNKNOWN_TOKEN.search(error):
        return f": the model has no token {found[1]}"
    if error.startswith("NoExtension"):
        return ": no text satisfies it"
    first, _, rest = error.strip().partition("\n")
    place = _PLACE.match(first)
    where = f", line {place[1]}, column {place[2]}" if place else ""
    reason = _REASON_BELOW.search(rest)
    return f"{where}: {first[place.end() if place else 0 :]}{f' {reason[1]}' if reason else ''}"
