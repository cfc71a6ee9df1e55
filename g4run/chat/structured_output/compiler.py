"""JSON schemas to rules, one rule for each set of schemas that some value must satisfy."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from g4run.chat.structured_output.exclusion import check_exclusive
from g4run.chat.structured_output.keywords import Contradiction, Schema
from g4run.chat.structured_output.nodes import Expanded, Node, expand
from g4run.chat.structured_output.notations import Notation
from g4run.chat.structured_output.numbers import NumberBounds, read_numbers, write_number
from g4run.chat.structured_output.objects import declared_names, further_members, member_node
from g4run.chat.structured_output.rules import Parts, Reference, Rules, write_text
from g4run.chat.structured_output.scalars import StringBounds, read_constants, read_counts, read_strings
from g4run.errors import UsageError

_MAX_NODES: Final = 5_000
_MAX_STEPS: Final = 40_000  # sets of schemas, and the schemas in all of them
_MAX_ITEMS: Final = 1_000
_MAX_MEMBERS: Final = 1_000
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
            raise next(expanded.having("type")).contradiction("its types exclude one another", "type")
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
        names = declared_names(expanded)
        members = list(self._members(expanded, names))
        if len(members) > _MAX_MEMBERS:
            raise expanded.schemas[0].error("an object has too many properties")
        node = further_members(expanded)
        least, most = read_counts(expanded.schemas, "minProperties", "maxProperties")
        if least > sum(is_required for _, is_required in members):
            what = "a number of properties beyond those that are required cannot be enforced"
            raise next(expanded.having("minProperties")).error(what, "minProperties")
        if most is not None and (node is not None or most < len(members)):
            what = "a number of properties below those that are allowed cannot be enforced"
            raise next(expanded.having("maxProperties")).error(what, "maxProperties")
        further = None
        if node is not None:
            key = self._notation.keys(names)
            further = self._rules.define("member", [(*key, self._notation.colon, self._refer_to(node))])
        return self._write_object(members, further)

    def _members(self, expanded: Expanded, names: Mapping[str, bool]) -> Iterator[tuple[Parts, bool]]:
        """The declared members as they are written, and whether each is required."""
        where = next(expanded.having("properties"), expanded.schemas[0])
        for name, is_required in names.items():
            node = member_node(expanded, name)
            if any(schema.value is False for schema in node.schemas):
                if is_required:
                    raise where.contradiction(f'the required property "{name}" is not allowed')
            elif _is_text(name) and (key := self._notation.key(name)) is not None:
                yield (*key, self._notation.colon, self._refer_to(node)), is_required
            elif is_required:
                raise where.error(f'the required property "{name}" cannot be written')

    def _write_object(self, members: Sequence[tuple[Parts, bool]], further: Reference | None) -> Reference:
        """Write the members in their order, then any number of further ones.

        The rules are made from the last member to the first: one for where it is the first that is written, and one
        for where others stand before it.
        """
        following = [self._rules.define("members", self._list("}", further, count, 0, None)) for count in (0, 1)]
        for index in range(len(members) - 1, -1, -1):
            written, is_required = members[index]
            rest, following = following, []
            for count in range(min(index, 1) + 1):
                comma = (self._notation.comma,) if count else ()
                taken: Parts = (*comma, *written, rest[1])
                following.append(self._rules.define("members", [taken, *([] if is_required else [(rest[count],)])]))
        return self._rules.define("object", [(self._notation.opening("{"), following[0])])

    def _list(self, bracket: str, each: Reference | None, count: int, least: int, most: int | None) -> list[Parts]:
        """What may stand between the first `count` members or items and the closing bracket, that included."""
        endings: list[Parts] = [(self._notation.closing(bracket, is_empty=not count),)] if count >= least else []
        if each is not None and (most is None or count < most):
            more = self._rules.define("more", [(self._notation.comma, each)])
            first = () if count else (each,)
            left = None if most is None else most - count - len(first)
            rest = replace(more, least=max(least - count, 1) - len(first), most=left)
            endings.append((*first, rest, self._notation.closing(bracket, is_empty=False)))
        return endings

    def _array(self, expanded: Expanded) -> Reference:
        """Write an array; items of which nothing is said are any, but behind a prefix there are none then."""
        first = expanded.schemas[0]
        least, most = read_counts(expanded.schemas, "minItems", "maxItems")
        if (most is None or most > 1) and any(schema.flag("uniqueItems") for schema in expanded.schemas):
            raise first.error("items that differ from one another cannot be held by a grammar", "uniqueItems")
        parts = [_read_items(schema) for schema in expanded.schemas]
        length = max(len(prefix) for prefix, _ in parts)
        if length > _MAX_ITEMS:
            raise first.error(f"more than {_MAX_ITEMS} items of their own are not supported", "prefixItems")
        further = [each for _, rest in parts for each in rest]
        is_closed = any(each.value is False for each in further) or (length > 0 and not further)
        if is_closed and least > length:
            raise first.contradiction(f"minItems {least} is more than the {length} items there can be")
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
        """Any value, made from the innermost level outwards."""
        rules, notation = self._rules, self._notation
        scalars: list[Parts] = [
            *[(write_text(word),) for word in ("null", "true", "false")],
            (rules.terminal(write_number(self._root, NumberBounds(), is_integer=False)),),
            notation.string(StringBounds()),
        ]
        value = rules.define("any", scalars)
        key = notation.keys(())
        for _ in range(_MAX_FREE_DEPTH):
            member = rules.define("member", [(*key, notation.colon, value)])
            free_object = self._write_object([], member)
            array = rules.define(
                "array", [(notation.opening("["), *part) for part in self._list("]", value, 0, 0, None)]
            )
            value = rules.define("any", [*scalars, (free_object,), (array,)])
        return value


def _read_items(schema: Schema) -> tuple[list[Schema], list[Schema]]:
    """The schemas of the first items and of those behind them."""
    return schema.schemas("prefixItems"), [schema.schema("items")] if schema.has("items") else []


def _is_text(name: str) -> bool:
    """Whether UTF-8 can carry it, so that it holds no half of a surrogate pair."""
    return not any(0xD800 <= ord(character) <= 0xDFFF for character in name)
