"""Sets of schemas that one value must satisfy together: what allOf, $ref, anyOf and overlapping properties lead to.

Schemas are never merged into new ones, but kept as sets of places in the document. There are only so many sets,
which is why recursion ends.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from g4run.chat.messages import JsonValue
from g4run.chat.structured_output.keywords import KEYWORDS_BY_TYPE, Schema, resolve

_MAX_VALUES = 20_000


@dataclass(frozen=True, slots=True)
class Group:
    """An anyOf, a oneOf, or an enum or const of lists and objects: a value must satisfy one of the branches."""

    schema: Schema
    keyword: str
    branches: tuple[Schema, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Node:
    """Schemas that hold together; `decided` are the groups of which a branch is among them."""

    schemas: frozenset[Schema]
    decided: frozenset[Group] = frozenset()

    @staticmethod
    def of(schemas: Iterable[Schema]) -> "Node":
        """The node of some schemas."""
        return Node(frozenset(schemas))

    def choose(self, group: Group) -> "list[Node]":
        """The same with each branch of a group."""
        return [Node(self.schemas | {branch}, self.decided | {group}) for branch in group.branches]


@dataclass(frozen=True, slots=True)
class Expanded:
    """A node with everything that $ref and allOf add, in the document's order, and the first group to decide."""

    schemas: tuple[Schema, ...]
    group: Group | None

    @property
    def is_never(self) -> bool:
        """Whether one of the schemas is `false`."""
        return any(schema.value is False for schema in self.schemas)

    def having(self, keyword: str) -> Iterator[Schema]:
        """The schemas that have a keyword."""
        return (schema for schema in self.schemas if schema.has(keyword))

    def explicit_types(self) -> frozenset[str] | None:
        """The types that all schemas allow; None where none of them says."""
        found = [types for schema in self.schemas if (types := schema.types()) is not None]
        return frozenset.intersection(*found) if found else None

    def types(self) -> frozenset[str] | None:
        """The types to write: those that are said, else those that the keywords are for; None is any."""
        explicit = self.explicit_types()
        if explicit is not None:
            return explicit
        keywords = {keyword for schema in self.schemas for keyword in schema.members}
        implied = {name for name, known in KEYWORDS_BY_TYPE.items() if keywords & known}
        return frozenset(implied | ({"integer"} if "number" in implied else set())) or None


def expand(root: Schema, node: Node) -> Expanded:
    """Add what $ref and allOf refer to; raises UsageError for keywords that are not supported."""
    found = dict.fromkeys(sorted(node.schemas, key=lambda schema: schema.pointer))
    pending = list(found)
    while pending:
        schema = pending.pop(0)
        schema.check()
        added = [resolve(root, schema)] if schema.has("$ref") else []
        added += schema.schemas("allOf")
        new = [each for each in added if each not in found]
        found |= dict.fromkeys(new)
        pending += new
    schemas = tuple(schema for schema in found if schema.members or schema.value is False)
    open_groups = (
        Group(schema, keyword)
        for schema in schemas
        for keyword in ("anyOf", "oneOf", "enum", "const")
        if schema.has(keyword)
    )
    for group in open_groups:
        if group not in node.decided and (branches := _branches(group)):
            return Expanded(schemas, replace(group, branches=branches))
    return Expanded(schemas, None)


def _branches(group: Group) -> tuple[Schema, ...]:
    """The branches of a group; none of values that are neither lists nor objects, which are no group."""
    schema, keyword = group.schema, group.keyword
    if keyword in ("anyOf", "oneOf"):
        if not schema.items(keyword):
            raise schema.error("must not be empty", keyword)
        return schema.schemas(keyword)
    values = listed_values(schema, keyword)
    composite = [value for value in values if not is_scalar(value)]
    if not composite:
        return ()
    scalars = schema.below(keyword, value={"enum": [value for value in values if is_scalar(value)]})
    others = (schema.below(keyword, str(index), value=_only(value)) for index, value in enumerate(composite))
    return (scalars, *others)


def listed_values(schema: Schema, keyword: str) -> Sequence[JsonValue]:
    """The values that "enum" or "const" lists."""
    if keyword == "const":
        return [schema.members["const"]]
    values = schema.items("enum")
    if len(values) > _MAX_VALUES:
        raise schema.error("more values than a grammar can hold", "enum")
    return values


def is_scalar(value: JsonValue) -> bool:
    """Whether a value is neither a list nor an object."""
    return value is None or isinstance(value, bool | int | float | str)


def _only(value: JsonValue) -> JsonValue:
    """The schema that a list or an object alone satisfies."""
    if isinstance(value, Mapping):
        properties = {name: {"const": item} for name, item in value.items()}
        return {"type": "object", "properties": properties, "required": list(value), "additionalProperties": False}
    assert isinstance(value, Sequence)
    items = [{"const": item} for item in value]
    return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items), "maxItems": len(items)}
