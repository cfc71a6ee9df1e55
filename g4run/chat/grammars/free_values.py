"""Values of which nothing is said."""

from typing import Final

from g4run.chat.grammars.automata import anything
from g4run.chat.grammars.automaton_rules import define_automaton
from g4run.chat.grammars.dialects import Dialect
from g4run.chat.grammars.numbers import NumberBounds, compile_number
from g4run.chat.grammars.rules import Parts, Reference, Rules, literals
from g4run.chat.grammars.structures import Bounds, ObjectWriter, define_array

_MAX_DEPTH: Final = 16
"""Objects and lists within one another, so that a model that opens brackets for ever comes to an end."""


class FreeValues:
    """Rules for any value and any object, made when they are first needed."""

    def __init__(self, rules: Rules, dialect: Dialect) -> None:
        self._rules = rules
        self._dialect = dialect
        self._known: tuple[Reference, Reference] | None = None

    def value(self) -> Reference:
        """Any value."""
        return self._define()[0]

    def any_object(self) -> Reference:
        """Any object."""
        return self._define()[1]

    def _define(self) -> tuple[Reference, Reference]:
        if self._known is None:
            self._known = self._structures()
        return self._known

    def _structures(self) -> tuple[Reference, Reference]:
        """Any value and any object, from the innermost level outwards."""
        scalars: list[Parts] = [
            *literals("null", "true", "false"),
            (define_automaton(self._rules, "number", compile_number(NumberBounds())),),
            (self._dialect.text(0, None),),
        ]
        value = self._rules.define("any", scalars)
        key = self._dialect.keys(anything())
        for _ in range(_MAX_DEPTH):
            member = self._rules.define("member", [(key, *self._dialect.colon, value)])
            any_object = ObjectWriter(self._rules, self._dialect, (), member, Bounds()).define()
            array = define_array(self._rules, self._dialect, (), value, Bounds())
            value = self._rules.define("any", [*scalars, (any_object,), (array,)])
        return value, any_object
