"""JSON schemas to rules, one rule for each set of schemas that some value must satisfy."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from g4run.chat.grammars.automata import TooComplex, of_words
from g4run.chat.grammars.automaton_rules import define_automaton
from g4run.chat.grammars.dialects import Dialect, within
from g4run.chat.grammars.exclusion import check_exclusive, constants
from g4run.chat.grammars.free_values import FreeValues
from g4run.chat.grammars.keywords import Schema
from g4run.chat.grammars.nodes import Expanded, Node, expand
from g4run.chat.grammars.numbers import compile_number
from g4run.chat.grammars.objects import ObjectCompiler
from g4run.chat.grammars.rules import Literal, Parts, Reference, Rules
from g4run.chat.grammars.satisfaction import canonical, item_schemas, listed_values, prefix_schemas, satisfies_beside
from g4run.chat.grammars.scalars import Contradiction, contradiction, read_counts, read_numbers, read_strings
from g4run.chat.grammars.structures import Bounds, Member, ObjectWriter, define_array
from g4run.chat.messages import JsonValue
from g4run.errors import UsageError

_MAX_NODES: Final = 5_000  # sets of schemas, and below the schemas in all of them: about 3 s
_MAX_STEPS: Final = 40_000
_MAX_CONSTANTS: Final = 20_000
_MAX_CONSTANT_CHARACTERS: Final = 150_000
_MAX_PREFIX: Final = 1_000


class SchemaCompiler:
    """Compiles one whole schema into the rules of a dialect; what is left to do waits in a queue, not on the stack."""

    def __init__(self, root: Schema, rules: Rules, dialect: Dialect) -> None:
        self._root = root
        self._rules = rules
        self._dialect = dialect
        self._free = FreeValues(rules, dialect)
        self._objects = ObjectCompiler(root, rules, dialect, self._refer_to)
        self._references: dict[Node, Reference] = {}
        self._pending: list[Node] = []
        self._steps = 0

    def define(self, schema: Schema) -> Reference:
        """Make the rules of a schema and of all that it needs; raises UsageError."""
        reference = self._refer_to(Node.of([schema]))
        while self._pending:
            node = self._pending.pop()
            self._rules.fill(self._references[node], self._alternatives(node))
        return reference

    def _refer_to(self, node: Node) -> Reference:
        if node not in self._references:
            if len(self._references) >= _MAX_NODES:
                raise UsageError(f"{self._root.label} has too many combinations of its parts")
            self._references[node] = self._rules.reserve("value")
            self._pending.append(node)
        return self._references[node]

    def _alternatives(self, node: Node) -> Sequence[Parts]:
        """The ways to write a value; of a branch that contradicts what stands beside it, none."""
        expanded = expand(self._root, node)
        self._steps += len(expanded.schemas)
        if self._steps > _MAX_STEPS:
            raise UsageError(f"{self._root.label} has too many combinations of its parts")
        if expanded.is_never:
            return []
        group = expanded.group
        if group is not None:
            if group.keyword == "oneOf":
                check_exclusive(self._root, group)
            return [(self._refer_to(node.choose(group, branch)),) for branch in group.branches]
        if not expanded.schemas:
            return [(self._free.value(),)]
        try:
            return list(self._values(expanded))
        except Contradiction:
            if node.decided:
                return []
            raise
        except TooComplex:
            raise expanded.schemas[0].error("what it allows is too complex, or its numbers are too great") from None

    def _values(self, expanded: Expanded) -> Iterator[Parts]:
        if constants(expanded) is not None:
            yield from self._constants(expanded)
            return
        types = expanded.types()
        if types is None:
            yield (self._free.value(),)
            return
        if not types:
            raise contradiction(next(expanded.having("type")), "its types exclude one another", "type")
        if "null" in types:
            yield (Literal("null"),)
        if "boolean" in types:
            yield (Literal("true"),)
            yield (Literal("false"),)
        if "integer" in types:
            bounds = read_numbers(expanded.schemas, is_integer="number" not in types)
            number = compile_number(bounds)
            if number.is_empty:
                raise contradiction(expanded.schemas[0], "no number fits its bounds")
            yield (define_automaton(self._rules, "number", number),)
        if "string" in types:
            yield (self._string(expanded),)
        if "object" in types:
            yield (self._objects.define(expanded),)
        if "array" in types:
            yield (self._array(expanded),)

    def _string(self, expanded: Expanded) -> Reference:
        bounds = read_strings(expanded.schemas)
        if bounds.language is None:
            return self._dialect.text(bounds.least, bounds.most)
        language = within(bounds.language, bounds.least, bounds.most)
        if language.is_empty:
            raise contradiction(expanded.schemas[0], "no string fits its pattern and its length")
        return self._dialect.string(language)

    def _array(self, expanded: Expanded) -> Reference:
        """An array; items of which nothing is said are any, but behind a prefix there are none then."""
        first = expanded.schemas[0]
        least, most = read_counts(expanded.schemas, "minItems", "maxItems")
        if (most is None or most > 1) and any(schema.flag("uniqueItems") for schema in expanded.schemas):
            raise first.error("items that differ from one another cannot be held by a grammar", "uniqueItems")
        prefixes = [prefix_schemas(schema) for schema in expanded.schemas]
        length = max(map(len, prefixes))
        if length > _MAX_PREFIX:
            raise first.error(f"more than {_MAX_PREFIX} items of their own are not supported", "prefixItems")
        rests = [item_schemas(schema) for schema in expanded.schemas]
        nodes = [
            Node.of(
                each
                for prefix, rest in zip(prefixes, rests, strict=True)
                for each in ([prefix[index]] if index < len(prefix) else rest)
            )
            for index in range(length)
        ]
        further = [each for rest in rests for each in rest]
        is_closed = any(each.value is False for each in further) or (length > 0 and not further)
        if is_closed and least > length:
            raise contradiction(first, f"minItems {least} is more than the {length} items there can be")
        items = None if is_closed else self._refer_to(Node.of(further))
        return define_array(self._rules, self._dialect, [*map(self._refer_to, nodes)], items, Bounds(least, most))

    def _constants(self, expanded: Expanded) -> Iterator[Parts]:
        """The listed values that satisfy all else."""
        first = next(schema for schema in expanded.schemas if schema.has("enum") or schema.has("const"))
        keyword = "enum" if first.has("enum") else "const"
        listed = constants(expanded) or []
        if len(listed) > _MAX_CONSTANTS or _length(listed) > _MAX_CONSTANT_CHARACTERS:
            raise first.error("more values than a grammar can hold", keyword)
        values = list({canonical(value): value for value in listed}.values())
        for schema in expanded.schemas:
            others = listed_values(schema)
            common = None if others is None else set(map(canonical, others))
            values = [
                value
                for value in values
                if (common is None or canonical(value) in common) and satisfies_beside(self._root, schema, value)
            ]
        if not values:
            raise contradiction(first, "none of the listed values satisfies the schema", keyword)
        for value in values:
            _check_constant(first, value, keyword)
        yield from self._write_constants(values)

    def _write_constants(self, values: Sequence[JsonValue]) -> Iterator[Parts]:
        """Strings together in one automaton, so that common beginnings are one; so are the other plain values."""
        texts = [value for value in values if isinstance(value, str)]
        plain = [json.dumps(value) for value in values if value is None or isinstance(value, bool | int | float)]
        if texts:
            yield (self._dialect.string(of_words(texts)),)
        if plain:
            yield (define_automaton(self._rules, "constant", of_words(plain)),)
        for value in values:
            if isinstance(value, Mapping):
                yield (self._write_object(value),)
            elif isinstance(value, Sequence) and not isinstance(value, str):
                items = [self._write_constant(item) for item in value]
                yield (define_array(self._rules, self._dialect, items, None, Bounds(len(items), len(items))),)

    def _write_constant(self, value: JsonValue) -> Reference:
        return self._rules.define("constant", self._write_constants([value]))

    def _write_object(self, value: Mapping[str, JsonValue]) -> Reference:
        members = []
        for name, item in value.items():
            key = self._dialect.key(name)
            if key is None:
                raise UsageError(f'{self._root.label} lists an object whose key "{name}" cannot be written')
            members.append(Member(key, self._write_constant(item), is_required=True))
        return ObjectWriter(self._rules, self._dialect, members, None, Bounds()).define()


def _length(value: JsonValue) -> int:
    """The characters of a value, about."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(len(name) + _length(item) for name, item in value.items())
    return sum(map(_length, value)) if isinstance(value, Sequence) else 1


def _check_constant(schema: Schema, value: JsonValue, keyword: str) -> None:
    """Refuse what JSON cannot say: numbers that are none, and half surrogate pairs."""
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False, default=list).encode()
    except (ValueError, TypeError):
        raise schema.error("lists a value that JSON cannot write", keyword) from None
