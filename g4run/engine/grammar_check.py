"""Compile Lark grammars with llguidance in bounded time and memory, and check one before its request is sent."""

import math
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

MAX_GRAMMAR_BYTES = 1 << 20
MAX_GRAMMAR_LINES = 10_000
MAX_MULTIPLE = 50_000  # multipleOf becomes an automaton with a state for each remainder: 40 µs and 400 bytes each
MAX_COMPILE_SECONDS = 10.0

# Bytes of address space. llguidance follows rules recursively: a chain of 2,500 crashes in the usual 8 MB, and the
# largest grammar fits into 256 MB.
_STACK_BYTES = 256 << 20
_PLACE = re.compile(r"^(?:at )?(\d+)\((\d+)\): ")
_REGEX_ERROR = re.compile(r"^error: (.*)$", re.MULTILINE)
_UNKNOWN_TOKEN = re.compile(r'unknown special token: "(.*?)"')
_MULTIPLE = re.compile(r'"multipleOf"\s*:\s*(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?')


@dataclass(frozen=True, slots=True)
class TokenizerParts:
    """A vocabulary with the attributes that llguidance.TokenizerWrapper reads; calling it tokenizes text."""

    tokens: Sequence[bytes]
    special_token_ids: Sequence[int]
    eos_token_id: int
    tokenize: Callable[[bytes], list[int]]
    bos_token_id: int | None = None

    def __call__(self, text: bytes) -> list[int]:
        """Tokenize UTF-8 text."""
        return self.tokenize(text)


def check_grammar(lark: str) -> None:
    """Check a Lark grammar without a model; any token that it names counts as known. Raises ValueError."""
    await_grammar(compile_in_thread(lambda: compile_grammar(_byte_tokenizer(lark), lark)))


def compile_grammar(tokenizer: "LLTokenizer", lark: str) -> "LLMatcher":
    """Compile a Lark grammar whose start rule is `start`. Raises ValueError with the place and the reason."""
    from llguidance import LLMatcher, LLParserLimits  # noqa: PLC0415 - 60 ms that only constrained decoding needs

    _check_size(lark)
    limits = LLParserLimits(
        initial_lexer_fuel=200_000,  # 0.5 s and 50 MB for the worst terminal; the default is 3 s and 200 MB
        max_grammar_size=30_000,  # symbols; time grows with the square, to 1.3 s
        max_lexer_states=50_000,  # up to 2 kB each
        step_max_items=1_000_000,  # 0.1 s a token; grammars of single characters exceed the default
        verbose_errors=False,
    )
    matcher = LLMatcher(tokenizer, lark, limits=limits, log_level=0)
    if matcher.is_error():
        raise ValueError(f"grammar{_describe(matcher.get_error())}")
    return matcher


def compile_in_thread(compile: Callable[[], "LLMatcher"]) -> "Future[LLMatcher]":
    """Compile in a thread with a deep stack. llguidance releases the interpreter lock meanwhile."""
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


def await_grammar(future: "Future[LLMatcher]") -> "LLMatcher":
    """Return the compiled grammar as soon as it is there. Raises ValueError as compile_grammar does, and on timeout."""
    try:
        return future.result(MAX_COMPILE_SECONDS)
    except TimeoutError:
        raise ValueError(f"grammar: it takes more than {MAX_COMPILE_SECONDS:.0f} seconds to compile") from None


def _byte_tokenizer(lark: str) -> "LLTokenizer":
    """Make a tokenizer of all single bytes and of the tokens that a grammar names, as <name> or <[id]>."""
    from llguidance import LLTokenizer, TokenizerWrapper  # noqa: PLC0415 - 60 ms that only constrained decoding needs

    names = sorted({name.encode() for name in re.findall(r"<[^\s<>\[]+>", lark)})
    ids = [int(each) for each in re.findall(r"\d{1,6}", "".join(re.findall(r"<\[[^\]]*\]>", lark)))]
    tokens = [*(bytes([byte]) for byte in range(0x100)), b"<eos>", *names]
    unused = [b""] * (max(ids, default=0) + 1 - len(tokens))
    parts = TokenizerParts([*tokens, *unused], range(0x100, len(tokens)), 0x100, list)
    return LLTokenizer(TokenizerWrapper(parts), slices=[])


def _check_size(lark: str) -> None:
    """Refuse what no limit of llguidance covers: it would compile for minutes, or crash."""
    size, lines = len(lark.encode()), lark.count("\n") + 1
    if size > MAX_GRAMMAR_BYTES or lines > MAX_GRAMMAR_LINES:
        limit = f"{MAX_GRAMMAR_BYTES:,} bytes and {MAX_GRAMMAR_LINES:,} lines"
        raise ValueError(f"grammar: {size:,} bytes and {lines:,} lines are too large; the limit is {limit}")
    if lark.lstrip().startswith("{"):
        raise ValueError("grammar, line 1, column 1: expected Lark, not JSON")
    if math.lcm(*_multiples(lark)) > MAX_MULTIPLE:
        raise ValueError(f"grammar: multipleOf is too large; the limit is {MAX_MULTIPLE:,}, decimal places included")


def _multiples(lark: str) -> Iterator[int]:
    """Yield the value of each multipleOf without its decimal point: 25 for 2.5."""
    plain = re.sub(r"\\u00([0-7][0-9a-fA-F])", lambda found: chr(int(found[1], 16)), lark)
    for whole, fraction, exponent in _MULTIPLE.findall(plain):
        zeros = max(int(exponent or 0) - len(fraction), 0)
        yield int(f"{whole}{fraction}"[:9]) * 10 ** min(zeros, 9)


def _describe(error: str) -> str:
    """Return llguidance's error as the end of a sentence: place and reason, without the lines that it quotes."""
    if found := _UNKNOWN_TOKEN.search(error):
        return f": the model has no token {found[1]}"
    if error.startswith("NoExtension"):
        return ": no text satisfies it"
    first, _, rest = error.strip().partition("\n")
    place, regex_error = _PLACE.match(first), _REGEX_ERROR.search(rest)
    where = f", line {place[1]}, column {place[2]}" if place else ""
    return f"{where}: {first[place.end() if place else 0 :]}{f' {regex_error[1]}' if regex_error else ''}"
