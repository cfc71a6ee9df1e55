"""Sets of schemas that one value must satisfy together: what allOf, $ref, anyOf and overlapping properties lead to.

Schemas are never merged into new ones, but kept as sets of places in the document. There are only so many sets,
which is why recursion ends.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from g4run.chat.grammars.keywords import (
    ARRAY_KEYWORDS,
    NUMBER_KEYWORDS,
    OBJECT_KEYWORDS,
    STRING_KEYWORDS,
    Schema,
    resolve,
)

_IMPLIED = (
    (OBJECT_KEYWORDS, "object"),
    (ARRAY_KEYWORDS, "array"),
    (STRING_KEYWORDS, "string"),
    (NUMBER_KEYWORDS, "number"),
)


@dataclass(frozen=True, slots=True)
class Group:
    """An anyOf or oneOf: a value must satisfy one of the branches."""

    schema: Schema
    keyword: str
    branches: tuple[Schema, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """Schemas that hold together; `decided` are the groups of which a branch is among them."""

    schemas: frozenset[Schema]
    decided: frozenset[Group] = frozenset()

    @staticmethod
    def of(schemas: Iterable[Schema]) -> "Node":
        """The node of some schemas."""
        return Node(frozenset(schemas))

    def choose(self, group: Group, branch: Schema) -> "Node":
        """The same, with one branch of a group."""
        return Node(self.schemas | {branch}, self.decided | {group})


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
        found: frozenset[str] | None = None
        for schema in self.schemas:
            types = schema.types()
            if types is not None:
                found = types if found is None else found & types
        return found

    def implied_types(self) -> frozenset[str] | None:
        """The types that keywords of one type only speak of; None where there are no such keywords."""
        keywords = {keyword for schema in self.schemas for keyword in schema.members}
        implied = {name for known, name in _IMPLIED if keywords & known}
        return frozenset(implied | ({"integer"} if "number" in implied else set())) or None

    def types(self) -> frozenset[str] | None:
        """The types to write: those that are said, else those that are spoken of; None is any."""
        explicit = self.explicit_types()
        return self.implied_types() if explicit is None else explicit


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
    groups = (group for schema in schemas for group in _groups(schema))
    return Expanded(schemas, next((group for group in groups if group not in node.decided), None))


def _groups(schema: Schema) -> Iterator[Group]:
    for keyword in ("anyOf", "oneOf"):
        if schema.has(keyword):
            branches = schema.schemas(keyword)
            if not branches:
                raise schema.error("must not be empty", keyword)
            yield Group(schema, keyword, branches)
