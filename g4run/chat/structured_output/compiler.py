"""Compiles JSON schemas to rules, one for each set of schemas that a value must satisfy together."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from g4run.chat.structured_output.exclusion import check_exclusive
from g4run.chat.structured_output.keywords import Contradiction, Schema
from g4run.chat.structured_output.nodes import Expanded, Node, expand
from g4run.chat.structured_output.notations import FreeNames, Notation
from g4run.chat.structured_output.numbers import NumberBounds, read_numbers, write_number
from g4run.chat.structured_output.objects import ObjectReader
from g4run.chat.structured_output.rules import Parts, Reference, Rules, write_text
from g4run.chat.structured_output.scalars import StringBounds, read_constants, read_counts, read_strings
from g4run.errors import UsageError

_MAX_NODES: Final = 5_000
_MAX_STEPS: Final = 40_000  # schemas looked at, in all sets
_MAX_ITEMS: Final = 1_000
_MAX_MEMBERS: Final = 1_000
_MAX_COUNTED_MEMBERS: Final = 100  # minProperties and maxProperties need a rule for each number of members
_MAX_FREE_DEPTH: Final = 16  # nesting of values that the schema does not constrain


class SchemaCompiler:
    """Compiles one document. Pending rules wait in a queue, so deep schemas do not exhaust the stack."""

    def __init__(self, root: Schema, rules: Rules, notation: Notation) -> None:
        self._root = root
        self._rules = rules
        self._notation = notation
        self._references: dict[Node, Reference] = {}
        self._pending: list[Node] = []
        self._steps = 0

    def define(self, schema: Schema) -> Reference:
        """Define a schema's rule and all rules that it needs. Raises UsageError."""
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
        """The alternatives of a value; none for a branch that contradicts its siblings."""
        expanded = expand(self._root, node)
        self._steps += len(expanded.schemas)
        if self._steps > _MAX_STEPS:
            raise UsageError(f"{self._root.label} has too many combinations of its parts")
        if expanded.is_never:
            return []
        if expanded.group is not None:
            if expanded.group.keyword == "oneOf":
                check_exclusive(self._root, expanded.group)
            return [(self._refer_to(each),) for each in node.choose(expanded.group)]
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
            raise next(expanded.having("type")).contradiction("no type satisfies all schemas", "type")
        if "null" in types:
            yield ('"null"',)
        if "boolean" in types:
            yield ('"true"',)
            yield ('"false"',)
        if "integer" in types:
            yield (self._number(expanded, is_integer="number" not in types),)
        if "string" in types:
            yield self._notation.string(read_strings(expanded))
        if "object" in types:
            yield (self._object(expanded),)
        if "array" in types:
            yield (self._array(expanded),)

    def _number(self, expanded: Expanded, *, is_integer: bool) -> str:
        written = write_number(expanded.schemas[0], read_numbers(expanded.schemas), is_integer=is_integer)
        return written if written.startswith("%") else self._rules.terminal(written)

    def _object(self, expanded: Expanded) -> Reference:
        first = expanded.schemas[0]
        reader = ObjectReader(self._root, expanded)
        least, most = read_counts(expanded.schemas, "minProperties", "maxProperties")
        members = list(self._members(first, reader))
        if len(members) > (_MAX_COUNTED_MEMBERS if least or most is not None else _MAX_MEMBERS):
            raise first.error("an object has too many properties")
        pairs: list[Parts] = [
            (*self._notation.keys(names), self._notation.colon, self._refer_to(node))
            for names, node in reader.further()
        ]
        required = sum(is_required for _, is_required in members)
        if most is not None and most < required:
            raise first.contradiction(f"{required} properties are required, but at most {most} are allowed")
        if pairs and least > len(members) + 1:
            raise first.error(
                f"minProperties {least} cannot be enforced with undeclared properties, whose names may repeat"
            )
        if not pairs and least > len(members):
            raise first.contradiction(f"minProperties {least} is more than the {len(members)} properties")
        most = None if most is not None and not pairs and most >= len(members) else most
        further = self._rules.define("member", pairs) if pairs else None
        return self._write_object(members, further, 0 if least <= required else least, most)

    def _members(self, where: Schema, reader: ObjectReader) -> Iterator[tuple[Parts, bool]]:
        """The declared members as symbols, and whether each is required."""
        for name, node in reader.members():
            key = self._notation.key(name) if _is_text(name) else None
            if key is not None:
                yield (*key, self._notation.colon, self._refer_to(node)), reader.names[name]
            elif reader.names[name]:
                raise where.error(f'the required property "{name}" cannot be written')

    def _write_object(
        self, members: Sequence[tuple[Parts, bool]], further: Reference | None, least: int, most: int | None
    ) -> Reference:
        """Define an object: the declared members in order, then any number of further ones.

        Further members may repeat a key, and repeated keys count once. So further members count for at most one of
        `least`. Rules are defined from the last member to the first, one for each number of preceding members that
        matters: none or some, or each number where members are counted.
        """
        enough = max(1, least if most is None else most)
        following = {}
        for count in range(min(len(members), enough) + 1):
            endings = self._list("}", further if least - count <= 1 else None, count, least, most)
            following[count] = self._rules.define("members", endings)
        for index in range(len(members) - 1, -1, -1):
            written, is_required = members[index]
            rest, following = following, {}
            for count in range(min(index, enough) + 1):
                comma = (self._notation.comma,) if count else ()
                taken = [(*comma, *written, rest[min(count + 1, enough)])] if most is None or count < most else []
                following[count] = self._rules.define("members", [*taken, *([] if is_required else [(rest[count],)])])
        return self._rules.define("object", [(self._notation.opening("{"), following[0])])

    def _list(self, bracket: str, each: Reference | None, count: int, least: int, most: int | None) -> list[Parts]:
        """What may follow the first `count` members or items, up to and including the closing bracket."""
        endings: list[Parts] = [(self._notation.closing(bracket, is_empty=not count),)] if count >= least else []
        if each is not None and (most is None or count < most):
            more = self._rules.define("more", [(self._notation.comma, each)])
            first = () if count else (each,)
            left = None if most is None else most - count - len(first)
            rest = replace(more, least=max(least - count, 1) - len(first), most=left)
            endings.append((*first, rest, self._notation.closing(bracket, is_empty=False)))
        return endings

    def _array(self, expanded: Expanded) -> Reference:
        """Define an array. Without "items", any items are allowed, but none after a prefix."""
        first = expanded.schemas[0]
        least, most = read_counts(expanded.schemas, "minItems", "maxItems")
        if (most is None or most > 1) and any(schema.flag("uniqueItems") for schema in expanded.schemas):
            raise first.error("uniqueItems cannot be enforced", "uniqueItems")
        parts = [_read_items(schema) for schema in expanded.schemas]
        length = max(len(prefix) for prefix, _ in parts)
        if length > _MAX_ITEMS:
            raise first.error(f"more than {_MAX_ITEMS} schemas are not supported", "prefixItems")
        further = [each for _, rest in parts for each in rest]
        is_closed = any(each.value is False for each in further) or (length > 0 and not further)
        if is_closed and least > length:
            raise first.contradiction(f"minItems {least} is more than the {length} items allowed")
        items = None if is_closed else self._refer_to(Node.of(further))
        following = self._list("]", items, length, least, most)
        for index in range(length - 1, -1, -1):
            node = Node.of(each for prefix, rest in parts for each in (prefix[index : index + 1] or rest))
            comma = (self._notation.comma,) if index else ()
            written: Parts = (*comma, self._refer_to(node), self._rules.define("items", following))
            following = [written] if most is None or index < most else []
            following += self._list("]", None, index, least, most)
        return self._rules.define("array", [(self._notation.opening("["), *part) for part in following])

    def _free_value(self) -> Reference:
        """Define a value of any kind, from the innermost level outwards."""
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
            free_object = self._write_object([], member, 0, None)
            array = rules.define(
                "array", [(notation.opening("["), *part) for part in self._list("]", value, 0, 0, None)]
            )
            value = rules.define("any", [*scalars, (free_object,), (array,)])
        return value


def _read_items(schema: Schema) -> tuple[list[Schema], list[Schema]]:
    """The schemas of the first items and of all later ones. Before draft 2020-12, "items" could list the first."""
    items = schema.members.get("items")
    is_old = not schema.has("prefixItems") and isinstance(items, Sequence) and not isinstance(items, str)
    keywords = ("additionalItems" if is_old else "items", "unevaluatedItems")
    prefix = schema.schemas("items" if is_old else "prefixItems")
    return prefix, [schema.schema(keyword) for keyword in keywords if schema.has(keyword)]


def _is_text(name: str) -> bool:
    """Whether UTF-8 can encode it: it has no lone surrogate."""
    return not any(0xD800 <= ord(character) <= 0xDFFF for character in name)
