"""Sets of schemas that one value must satisfy together: what allOf, $ref, anyOf and overlapping properties lead to.

Schemas are never merged into new ones, but kept as sets of places in the document. There are only so many sets, which
is why recursion ends.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import unquote

from g4run.chat.messages import JsonValue
from g4run.chat.structured_output.keywords import KEYWORDS_BY_TYPE, Schema


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
        implied = {name for name, known in KEYWORDS_BY_TYPE.items() if not keywords.isdisjoint(known.split())}
        return frozenset(implied | ({"integer"} if "number" in implied else set())) or None


def expand(root: Schema, node: Node) -> Expanded:
    """Add what $ref and allOf refer to; raises UsageError for keywords that are not supported."""
    found = dict.fromkeys(sorted(node.schemas, key=lambda schema: schema.pointer))
    pending = list(found)
    while pending:
        schema = pending.pop(0)
        schema.check()
        added = [_resolve(root, schema)] if schema.has("$ref") else []
        new = [each for each in [*added, *schema.schemas("allOf")] if each not in found]
        found |= dict.fromkeys(new)
        pending += new
    schemas = tuple(schema for schema in found if schema.members or schema.value is False)
    for schema in schemas:
        for keyword in ("anyOf", "oneOf", "enum", "const"):
            group = Group(schema, keyword)
            if schema.has(keyword) and group not in node.decided and (branches := _branches(schema, keyword)):
                return Expanded(schemas, replace(group, branches=branches))
    return Expanded(schemas, None)


def _resolve(root: Schema, schema: Schema) -> Schema:
    """The schema that a "$ref" names; only pointers into the same document are followed."""
    reference = schema.text("$ref")
    if reference != "#" and not reference.startswith("#/"):
        raise schema.error(f'"{reference}" is no pointer into this schema, and others are not supported', "$ref")
    path = [step.replace("~1", "/").replace("~0", "~") for step in unquote(reference[1:]).split("/")[1:]]
    value = root.value
    for step in path:
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, Sequence) and not isinstance(value, str) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            raise schema.error(f'there is nothing at "{reference}"', "$ref")
    return root.below(*path, value=value)


def _branches(schema: Schema, keyword: str) -> tuple[Schema, ...]:
    """The branches of a group; none of values that are neither lists nor objects, which are no group."""
    if keyword in ("anyOf", "oneOf"):
        if not schema.items(keyword):
            raise schema.error("must not be empty", keyword)
        return tuple(schema.schemas(keyword))
    values = schema.listed(keyword)
    composite = [value for value in values if not is_scalar(value)]
    if not composite:
        return ()
    scalars = schema.below(keyword, value={"enum": [value for value in values if is_scalar(value)]})
    others = (schema.below(keyword, str(index), value=_only(value)) for index, value in enumerate(composite))
    return (scalars, *others)


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
