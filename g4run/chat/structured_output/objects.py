"""What the schemas of one object allow: its declared members, and the names and values of further ones."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from g4run.chat.structured_output.keywords import Schema
from g4run.chat.structured_output.nodes import Expanded, Node, expand
from g4run.chat.structured_output.notations import FreeNames
from g4run.chat.structured_output.patterns import write_character
from g4run.chat.structured_output.scalars import (
    StringBounds,
    allows,
    read_constants,
    read_pattern,
    read_strings,
)

_MAX_PATTERNS = 30  # each is written without all others


@dataclass(frozen=True, slots=True)
class Property:
    """A declared property, and the schemas of its value."""

    name: str
    node: Node
    is_required: bool


class ObjectReader:
    """Reads the schemas of one object.

    Without additionalProperties, an object whose properties are named gets no others, and one of which nothing is said
    gets any. Names that several of patternProperties match are never written.
    """

    def __init__(self, root: Schema, expanded: Expanded) -> None:
        self._root = root
        self._where = next(expanded.having("properties"), expanded.schemas[0])
        self._name_rules = [_NameRule(root, each.schema("propertyNames")) for each in expanded.having("propertyNames")]
        self._parts = [_Part(schema) for schema in expanded.schemas]
        self._patterns = {text: expression for part in self._parts for text, expression in part.expressions.items()}
        if len(self._patterns) > _MAX_PATTERNS:
            raise self._where.error(
                f"more than {_MAX_PATTERNS} patterns of names are not supported", "patternProperties"
            )
        declared = {name: False for part in self._parts for name in part.properties}
        self._names = declared | {name: True for schema in expanded.schemas for name in schema.texts("required")}
        self._is_closed = bool(self._names or self._patterns) or any(expanded.having("properties"))

    def properties(self) -> Iterator[Property]:
        """The declared properties that can be written; raises UsageError for a required one that cannot."""
        for name, is_required in self._names.items():
            node = Node.of(each for part in self._parts for each in part.of_member(name))
            is_possible = all(rule.allows(name) for rule in self._name_rules)
            if is_possible and not any(schema.value is False for schema in node.schemas):
                yield Property(name, node, is_required)
            elif is_required:
                what = "is not allowed" if is_possible else "cannot be written"
                raise self._where.contradiction(f'the required property "{name}" {what}')

    def further(self) -> Iterator[tuple[FreeNames, Node]]:
        """The names that are not declared, apart from one another, and the schemas of their values."""
        bounds = [rule.bounds for rule in self._name_rules]
        if None in bounds:
            return
        within = tuple(each for each in bounds if each is not None)
        taken = tuple(self._names)
        for text, expression in self._patterns.items():
            others = tuple(each for other, each in self._patterns.items() if other != text)
            schemas = (each for part in self._parts for each in part.of_pattern(text))
            yield FreeNames((*within, StringBounds(expressions=(expression,))), taken, others), Node.of(schemas)
        further = [each for part in self._parts for each in part.further]
        if further or not self._is_closed:
            yield FreeNames(within, taken, tuple(self._patterns.values())), Node.of(further)


class _Part:
    """What one schema says of members; `further` are the schemas of those that it does not name."""

    def __init__(self, schema: Schema) -> None:
        self.properties = schema.named("properties")
        self.patterns = schema.named("patternProperties")
        self.expressions = {text: read_pattern(schema, text, "patternProperties", text) for text in self.patterns}
        keywords = ("additionalProperties", "unevaluatedProperties")
        self.further = [schema.schema(keyword) for keyword in keywords if schema.has(keyword)]

    def of_member(self, name: str) -> list[Schema]:
        """The schemas of the value of a declared member."""
        found = [self.properties[name]] if name in self.properties else []
        found += [self.patterns[text] for text, each in self.expressions.items() if re.fullmatch(each, name)]
        return found or self.further

    def of_pattern(self, text: str) -> list[Schema]:
        """The schemas of the values of members whose names match one pattern, and no other."""
        return [self.patterns[text]] if text in self.patterns else self.further


class _NameRule:
    """The schema of names; `bounds` is None where it allows none."""

    def __init__(self, root: Schema, schema: Schema) -> None:
        self._expanded = expanded = expand(root, Node.of([schema]))
        if expanded.group is not None:
            raise schema.error("anyOf and oneOf are not supported for names")
        types = expanded.explicit_types()
        self.bounds: StringBounds | None = None
        self._listed = None
        if not expanded.is_never and (types is None or "string" in types):
            self.bounds = read_strings(expanded.schemas)
            self._listed = read_constants(expanded)
            if self._listed is not None:
                words = (each for each in self._listed if isinstance(each, str))
                expression = "|".join("".join(write_character(ord(letter)) for letter in word) for word in words)
                self.bounds = StringBounds(expressions=(expression,))

    def allows(self, name: str) -> bool:
        is_listed = self._listed is None or name in self._listed
        return self.bounds is not None and is_listed and allows(self._expanded, name)
