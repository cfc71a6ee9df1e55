"""The members that the schemas of one object allow, declared and undeclared."""

from collections.abc import Iterator
from typing import Final

from g4run.chat.structured_output.keywords import Schema
from g4run.chat.structured_output.nodes import Expanded, Node, expand
from g4run.chat.structured_output.notations import FreeNames
from g4run.chat.structured_output.patterns import NotSupported, matches, write_character
from g4run.chat.structured_output.scalars import StringBounds, allows, read_constants, read_pattern, read_strings

_MAX_PATTERNS: Final = 30  # each excludes all others


class ObjectReader:
    """Reads the schemas of one object. `names` maps each declared name to whether it is required.

    Without additionalProperties, an object with named properties has no others unless `is_open`, and an object without
    any constraint may have any. Names that several of patternProperties match are never written.
    """

    def __init__(self, root: Schema, expanded: Expanded, *, is_open: bool = False) -> None:
        self._where = next(expanded.having("properties"), expanded.schemas[0])
        self._name_rules = [_NameRule(root, each.schema("propertyNames")) for each in expanded.having("propertyNames")]
        self._parts = [_Part(schema) for schema in expanded.schemas]
        self._patterns = {text: expression for part in self._parts for text, expression in part.expressions.items()}
        if len(self._patterns) > _MAX_PATTERNS:
            raise self._where.error(f"more than {_MAX_PATTERNS} are not supported", "patternProperties")
        self.names = {name: False for part in self._parts for name in part.properties}
        self.names |= {name: True for schema in expanded.schemas for name in schema.texts("required")}
        is_named = bool(self.names or self._patterns) or any(expanded.having("properties"))
        self._is_closed = is_named and not is_open

    def members(self) -> Iterator[tuple[str, Node]]:
        """The declared members that are allowed. Raises Contradiction if a required one is not."""
        for name, is_required in self.names.items():
            node = Node.of(each for part in self._parts for each in part.of_member(name))
            is_possible = all(rule.allows(name) for rule in self._name_rules)
            if is_possible and not any(schema.value is False for schema in node.schemas):
                yield name, node
            elif is_required:
                what = "is not allowed" if is_possible else "cannot be written"
                raise self._where.contradiction(f'the required property "{name}" {what}')

    def further(self) -> Iterator[tuple[FreeNames, Node]]:
        """Disjoint sets of undeclared names, and the schemas of their values."""
        within = tuple(rule.bounds for rule in self._name_rules if rule.bounds)
        if len(within) < len(self._name_rules):
            return
        taken = tuple(self.names)
        for text, expression in self._patterns.items():
            others = tuple(each for each in self._patterns.values() if each != expression)
            node = Node.of(each for part in self._parts for each in part.of_pattern(text))
            yield FreeNames((*within, StringBounds(expressions=(expression,))), taken, others), node
        further = [each for part in self._parts for each in part.further]
        if further or not self._is_closed:
            yield FreeNames(within, taken, tuple(self._patterns.values())), Node.of(further)


class _Part:
    """What one schema says about members; `further` are the schemas of those that it does not name."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self.properties = schema.named("properties")
        self.patterns = schema.named("patternProperties")
        self.expressions = {text: read_pattern(schema, text, "patternProperties", text) for text in self.patterns}
        keywords = ("additionalProperties", "unevaluatedProperties")
        self.further = [schema.schema(keyword) for keyword in keywords if schema.has(keyword)]

    def of_member(self, name: str) -> list[Schema]:
        """The schemas of a declared member's value."""
        found = [self.properties[name]] if name in self.properties else []
        found += [self.patterns[text] for text in self.patterns if self._matches(text, name)]
        return found or self.further

    def _matches(self, text: str, name: str) -> bool:
        try:
            return matches(self.expressions[text], name)
        except NotSupported as error:
            raise self._schema.error(f"the pattern {text[:80]} {error}", "patternProperties", text) from None

    def of_pattern(self, text: str) -> list[Schema]:
        """The schemas of values whose names match this pattern and no other."""
        return [self.patterns[text]] if text in self.patterns else self.further


class _NameRule:
    """The names that propertyNames allows; `bounds` is None if there are none."""

    def __init__(self, root: Schema, schema: Schema) -> None:
        self._expanded = expanded = expand(root, Node.of([schema]))
        if expanded.group is not None:
            raise schema.error("anyOf and oneOf are not supported in propertyNames")
        self._listed = read_constants(expanded)
        self.bounds: StringBounds | None = None
        if not expanded.is_never and "string" in (expanded.explicit_types() or {"string"}):
            words = None if self._listed is None else [each for each in self._listed if isinstance(each, str)]
            self.bounds = read_strings(expanded) if words is None else StringBounds(expressions=(_any_of(words),))

    def allows(self, name: str) -> bool:
        is_listed = self._listed is None or name in self._listed
        return self.bounds is not None and is_listed and allows(self._expanded, name)


def _any_of(words: list[str]) -> str:
    return "|".join("".join(write_character(ord(letter)) for letter in word) for word in words)
