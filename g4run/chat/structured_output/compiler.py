"""JSON schemas to rules, one rule for each set of schemas that some value must satisfy."""

import json
from collections.abc import Iterator, Sequence
from typing import Final

from g4run.chat.structured_output.exclusion import check_exclusive
from g4run.chat.structured_output.keywords import Contradiction, Schema
from g4run.chat.structured_output.nodes import Expanded, Node, expand
from g4run.chat.structured_output.notations import FreeNames, Notation
from g4run.chat.structured_output.numbers import NumberBounds, read_numbers, write_number
from g4run.chat.structured_output.objects import ObjectReader
from g4run.chat.structured_output.rules import Parts, Reference, Rules, write_text
from g4run.chat.structured_output.scalars import StringBounds, read_constants, read_counts, read_strings
from g4run.chat.structured_output.structures import Bounds, Member, write_array, write_object
from g4run.errors import UsageError

_MAX_NODES: Final = 5_000
_MAX_STEPS: Final = 40_000  # sets of schemas, and the schemas in all of them
_MAX_PREFIX: Final = 1_000
_MAX_MEMBERS: Final = 1_000
_MAX_COUNTED_MEMBERS: Final = 200  # where minProperties or maxProperties need a rule for each number of members
_MAX_FREE_DEPTH: Final = 16  # objects and lists within one another, where the schema says nothing of them


class SchemaCompiler:
    """Compiles one whole schema into the rules of a notation; what is left to do waits in a queue, not on the stack."""

    def __init__(self, root: Schema, rules: Rules, notation: Notation) -> None:
        self._root = root
        self._rules = rules
        self._notation = notation
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
            self._rules.place = min(node.schemas, key=lambda schema: schema.pointer).place if node.schemas else ""
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
            return [(self._refer_to(each),) for each in node.choose(group)]
        if not expanded.schemas:
            return [(self._free_value(),)]
        self._rules.place = expanded.schemas[0].place
        try:
            return list(self._values(expanded))
        except Contradiction:
            if node.decided:
                return []
            raise

    def _values(self, expanded: Expanded) -> Iterator[Parts]:
        constants = read_constants(expanded)
        if constants is not None:
            for value in constants:
                parts = self._notation.literal(value) if isinstance(value, str) else (write_text(json.dumps(value)),)
                if parts is not None:
                    yield parts
            return
        types = expanded.types()
        if types is None:
            yield (self._free_value(),)
            return
        if not types:
            raise next(expanded.having("type")).contradiction("its types exclude one another", "type")
        if "null" in types:
            yield ('"null"',)
        if "boolean" in types:
            yield ('"true"',)
            yield ('"false"',)
        if "integer" in types:
            yield (self._number(expanded, is_integer="number" not in types),)
        if "string" in types:
            yield self._notation.string(read_strings(expanded.schemas))
        if "object" in types:
            yield (self._object(expanded),)
        if "array" in types:
            yield (self._array(expanded),)

    def _number(self, expanded: Expanded, *, is_integer: bool) -> Reference:
        written = write_number(expanded.schemas[0], read_numbers(expanded.schemas), is_integer=is_integer)
        return self._rules.define("number", [(written if "%" in written else self._rules.terminal(written),)])

    def _object(self, expanded: Expanded) -> Reference:
        first = expanded.schemas[0]
        least, most = read_counts(expanded.schemas, "minProperties", "maxProperties")
        reader = ObjectReader(self._root, expanded)
        members = list(self._members(first, reader))
        if len(members) > (_MAX_COUNTED_MEMBERS if least or most is not None else _MAX_MEMBERS):
            raise first.error("an object has too many properties")
        further = [
            (*self._notation.keys(names), self._notation.colon, self._refer_to(node))
            for names, node in reader.further()
        ]
        required = sum(member.is_required for member in members)
        if most is not None and most < required:
            raise first.contradiction(f"{required} properties are required, and at most {most} allowed")
        if least > len(members) + bool(further):
            if further:
                raise first.error(f"minProperties {least} cannot be held where names are free, as one may come twice")
            raise first.contradiction(f"minProperties {least} is more than there are properties")
        if most is not None and not further and most >= len(members):
            most = None
        free = self._rules.define("member", further) if further else None
        bounds = Bounds(0 if least <= required else least, most)
        return write_object(self._rules, self._notation, members, free, bounds)

    def _members(self, where: Schema, reader: ObjectReader) -> Iterator[Member]:
        for each in reader.properties():
            key = self._notation.key(each.name) if _is_text(each.name) else None
            if key is not None:
                yield Member(key, self._refer_to(each.node), each.is_required)
            elif each.is_required:
                raise where.error(f'the required property "{each.name}" cannot be written')

    def _array(self, expanded: Expanded) -> Reference:
        """An array; items of which nothing is said are any, but behind a prefix there are none then."""
        first = expanded.schemas[0]
        least, most = read_counts(expanded.schemas, "minItems", "maxItems")
        if (most is None or most > 1) and any(schema.flag("uniqueItems") for schema in expanded.schemas):
            raise first.error("items that differ from one another cannot be held by a grammar", "uniqueItems")
        parts = [_read_items(schema) for schema in expanded.schemas]
        length = max(len(prefix) for prefix, _ in parts)
        if length > _MAX_PREFIX:
            raise first.error(f"more than {_MAX_PREFIX} items of their own are not supported", "prefixItems")
        prefixes = [
            Node.of(each for prefix, rest in parts for each in ([prefix[index]] if index < len(prefix) else rest))
            for index in range(length)
        ]
        further = [each for _, rest in parts for each in rest]
        is_closed = any(each.value is False for each in further) or (length > 0 and not further)
        if is_closed and least > length:
            raise first.contradiction(f"minItems {least} is more than the {length} items there can be")
        items = None if is_closed else self._refer_to(Node.of(further))
        references = [*map(self._refer_to, prefixes)]
        return write_array(self._rules, self._notation, references, items, Bounds(least, most))

    def _free_value(self) -> Reference:
        """Any value, made from the innermost level outwards."""
        rules, notation = self._rules, self._notation
        scalars: list[Parts] = [
            *[(write_text(word),) for word in ("null", "true", "false")],
            (rules.terminal(write_number(self._root, NumberBounds(), is_integer=False)),),
            notation.string(StringBounds()),
        ]
        value = rules.define("any", scalars)
        key = notation.keys(FreeNames())
        for _ in range(_MAX_FREE_DEPTH):
            member = rules.define("member", [(*key, notation.colon, value)])
            free_object = write_object(rules, notation, (), member, Bounds())
            array = write_array(rules, notation, (), value, Bounds())
            value = rules.define("any", [*scalars, (free_object,), (array,)])
        return value


def _read_items(schema: Schema) -> tuple[Sequence[Schema], Sequence[Schema]]:
    """The schemas of the first items and of those behind them; before 2020 "items" itself could list the first."""
    items = schema.members.get("items")
    is_old = not schema.has("prefixItems") and isinstance(items, Sequence) and not isinstance(items, str)
    prefix = schema.schemas("items") if is_old else schema.schemas("prefixItems")
    keywords = ("additionalItems" if is_old else "items", "unevaluatedItems")
    return prefix, [schema.schema(keyword) for keyword in keywords if schema.has(keyword)]


def _is_text(name: str) -> bool:
    """Whether UTF-8 can carry it, so that it holds no half of a surrogate pair."""
    return not any(0xD800 <= ord(character) <= 0xDFFF for character in name)
