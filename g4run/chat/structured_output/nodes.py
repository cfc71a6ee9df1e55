"""Sets of schemas that one value must satisfy together, as allOf, $ref, anyOf and overlapping properties demand.

Schemas are never merged; a set refers to places in the document. The number of sets is finite, so recursion ends.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import unquote

from g4run.chat.messages import JsonValue
from g4run.chat.structured_output.keywords import KEYWORDS_BY_TYPE, Schema


@dataclass(frozen=True, slots=True)
class Group:
    """An anyOf, a oneOf, or an enum or const with lists or objects: a value must satisfy one branch."""

    schema: Schema
    keyword: str
    branches: tuple[Schema, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Node:
    """Schemas that a value must satisfy together; `decided` are the groups whose branch was chosen."""

    schemas: frozenset[Schema]
    decided: frozenset[Group] = frozenset()

    @staticmethod
    def of(schemas: Iterable[Schema]) -> "Node":
        """Make a node of schemas."""
        return Node(frozenset(schemas))

    def choose(self, group: Group) -> "list[Node]":
        """The node extended by each branch of a group in turn."""
        return [Node(self.schemas | {branch}, self.decided | {group}) for branch in group.branches]


@dataclass(frozen=True, slots=True)
class Expanded:
    """A node with all that $ref and allOf add, in document order, and the next group to decide."""

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
        """The types that all schemas allow; None if no schema names any."""
        found = [types for schema in self.schemas if (types := schema.types()) is not None]
        return frozenset.intersection(*found) if found else None

    def types(self) -> frozenset[str] | None:
        """The types to write: the named ones, else those that the keywords imply; None is any."""
        explicit = self.explicit_types()
        if explicit is not None:
            return explicit
        keywords = {keyword for schema in self.schemas for keyword in schema.members}
        implied = {name for name, known in KEYWORDS_BY_TYPE.items() if not keywords.isdisjoint(known.split())}
        return frozenset(implied | ({"integer"} if "number" in implied else set())) or None


def expand(root: Schema, node: Node) -> Expanded:
    """Follow $ref and allOf. Raises UsageError for keywords that are not supported."""
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
    """The schema that "$ref" points to, which must be in the same document."""
    reference = schema.text("$ref")
    if reference != "#" and not reference.startswith("#/"):
        raise schema.error(f'only references into this schema (#/...) are supported, not "{reference}"', "$ref")
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
    """The branches of a group; none for scalar values, which need no group."""
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
    """The schema that only this list or object satisfies."""
    if isinstance(value, Mapping):
        properties = {name: {"const": item} for name, item in value.items()}
        return {"type": "object", "properties": properties, "required": list(value), "additionalProperties": False}
    assert isinstance(value, Sequence)
    items = [{"const": item} for item in value]
    return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items), "maxItems": len(items)}
