"""The two ways to write values: JSON, and Gemma 4's notation inside tool calls."""

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Protocol

from g4run.chat.grammars import characters
from g4run.chat.grammars.automata import Automaton, anything, complement, intersect, lengths, of_lengths, of_words
from g4run.chat.grammars.automaton_rules import define_automaton, write_plain
from g4run.chat.grammars.characters import EVERY, CharacterSet
from g4run.chat.grammars.patterns import compile_pattern, compile_whole
from g4run.chat.grammars.rules import Characters, Literal, Parts, Reference, Rules, Token
from g4run.chat.tokens import QUOTE

_CONTROLS: Final = characters.span("\x00", "\x1f")
_ESCAPED: Final = characters.join(_CONTROLS, characters.of('"\\'))
_RAW: Final = characters.subtract(EVERY, _ESCAPED)
_HEX: Final = Characters(characters.of("0123456789abcdefABCDEF"))
_INDENT_SPACES: Final = 32
_INDENT_TABS: Final = 16
_COUNTED_IN_CALLS: Final = 256  # code points up to which a length in a call is counted exactly


class Dialect(Protocol):
    """How strings, keys and what stands between values are written; each has its own rules."""

    @property
    def space(self) -> Parts:
        """What may stand behind an opening bracket or a comma, and before a closing bracket."""

    @property
    def colon(self) -> Parts:
        """What stands between a key and its value."""

    def text(self, least: int, most: int | None) -> Reference:
        """A string of so many code points; raises TooComplex."""

    def string(self, language: Automaton) -> Reference:
        """A string of a language; raises TooComplex."""

    def key(self, name: str) -> Parts | None:
        """A key; None where it cannot be written."""

    def keys(self, language: Automaton) -> Reference:
        """Any key of a language that can be written; raises TooComplex."""


class JsonDialect:
    """JSON. White space is at most one space, or one line break with an indent; none stands before comma or colon."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        indents = [
            rules.repeat(Literal(" "), 0, _INDENT_SPACES),
            (Literal("\t"), *rules.repeat(Literal("\t"), 0, _INDENT_TABS - 1)),
        ]
        line = rules.define("line", [(Literal("\n"), rules.define("indent", indents))])
        self.space: Parts = (rules.define("space", [(), (Literal(" "),), (line,)]),)
        self.colon: Parts = (rules.define("colon", [(Literal(":"),), (Literal(": "),)]),)

    def text(self, least: int, most: int | None) -> Reference:
        """Write a string with any escapes; a surrogate pair counts as the one code point that it is."""
        content = self._rules.repeat(self._character(), least, most)
        return self._rules.define("string", [(Literal('"'), *content, Literal('"'))])

    def string(self, language: Automaton) -> Reference:
        """Write a string with the escapes that it needs, and no others."""
        content = define_automaton(self._rules, "text", language, _write_escaped)
        return self._rules.define("string", [(Literal('"'), content, Literal('"'))])

    def key(self, name: str) -> Parts | None:
        """Write a key as json.dumps does."""
        return (Literal(json.dumps(name, ensure_ascii=False)),)

    def keys(self, language: Automaton) -> Reference:
        """Write any key of the language."""
        return self.text(0, None) if language == anything() else self.string(language)

    def _character(self) -> Reference:
        define = self._rules.define
        high = (Characters(characters.of("dD")), Characters(characters.of("89abAB")), _HEX, _HEX)
        low = (Characters(characters.of("dD")), Characters(characters.of("cdefCDEF")), _HEX, _HEX)
        single = [
            (Characters(characters.of("0123456789abcefABCEF")), _HEX, _HEX, _HEX),
            (Characters(characters.of("dD")), Characters(characters.of("01234567")), _HEX, _HEX),
            (*high, Literal("\\u"), *low),
        ]
        escape = define("escape", [(Characters(characters.of('"\\/bfnrt')),), (Literal("u"), define("code", single))])
        return define("character", [(Characters(_RAW),), (Literal("\\"), escape)])


def _write_escaped(allowed: CharacterSet) -> Sequence[Parts]:
    """The ways to write a character of a set inside a JSON string: with an escape only where one is needed."""
    ways: list[Parts] = []
    if raw := characters.meet(allowed, _RAW):
        ways += write_plain(raw)
    ways += [(Literal("\\" + mark),) for mark in '"\\' if characters.holds(allowed, mark)]
    controls = characters.meet(allowed, _CONTROLS)
    if controls == _CONTROLS:
        return [
            *ways,
            (Literal("\\"), Characters(characters.of("bfnrt"))),
            (Literal("\\u00"), Characters(characters.of("01")), _HEX),
        ]
    codes = (code for low, high in controls for code in range(low, high + 1))
    return [*ways, *((Literal(json.dumps(chr(code))[1:-1]),) for code in codes)]


_BARE_KEY: Final = r'[^\s:{}\[\],<>"' + r"'\u0000-\u001f\u0085|]{1,64}"
_WRITTEN_BARE: Final = re.compile(r"""(?!["'\s])(?:(?!<\|"\|>)[^:{}\[\],\x00-\x1f])+(?<!\s)""")


class CallDialect:
    """Gemma 4's notation as the reference template writes it, without white space between values.

    Strings stand between quote tokens, in which nothing is escaped, so that a string with a quote's text cannot be
    written. The opening quote is the token itself; the closing one is asked for by its text, which the token has as
    well: behind the beginning of a quote, llama.cpp would take the token apart (llama-grammar.cpp:1083).
    """

    space: Parts = ()
    colon: Parts = (Literal(":"),)

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def text(self, least: int, most: int | None) -> Reference:
        """Write a string; one that is counted beyond 256 code points has no `|` (for the lack of a smaller grammar)."""
        if most is None and least <= _COUNTED_IN_CALLS:
            return self.string(of_lengths(least, None) if least else anything())
        if most is not None and most <= _COUNTED_IN_CALLS:
            return self.string(of_lengths(least, most))
        unit = Characters(characters.subtract(EVERY, characters.of("\0|")))
        return self._quoted(self._rules.repeat(unit, least, most))

    def string(self, language: Automaton) -> Reference:
        """Write a string of the language, less those that hold a quote."""
        content = _content() if language == anything() else intersect(language, _content())
        return self._quoted((define_automaton(self._rules, "text", content),))

    def key(self, name: str) -> Parts | None:
        """Write a key bare, as the reference does, or quoted where it would not read back."""
        if _WRITTEN_BARE.fullmatch(name):
            return (Literal(name),)
        if not _content().accepts(name):
            return None
        return (self._rules.define("key", [(self.string(of_words([name])),)]),)

    def keys(self, language: Automaton) -> Reference:
        """Write any key of at most 64 characters that need no quotes."""
        return define_automaton(self._rules, "key", intersect(language, compile_whole(_BARE_KEY)))

    def _quoted(self, content: Parts) -> Reference:
        return self._rules.define("string", [(Token(QUOTE), *content, Literal(QUOTE))])


@lru_cache(maxsize=1)
def _content() -> Automaton:
    """What can stand between quotes: anything without a quote's text or NUL, at which llama.cpp's texts end."""
    return intersect(complement(compile_pattern(re.escape(QUOTE))), compile_whole(r"[^\u0000]*"))


def within(language: Automaton | None, least: int, most: int | None) -> Automaton:
    """The texts of a language with a number of code points between two bounds; raises TooComplex."""
    if language is None:
        return of_lengths(least, most)
    shortest, longest = lengths(language)
    if language.is_empty or (shortest >= least and (most is None or (longest is not None and longest <= most))):
        return language
    return intersect(language, of_lengths(least, most))
