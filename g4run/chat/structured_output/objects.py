"""What the schemas of one object allow: its declared members, and the values of further ones."""

from g4run.chat.structured_output.keywords import Schema
from g4run.chat.structured_output.nodes import Expanded, Node


def declared_names(expanded: Expanded) -> dict[str, bool]:
    """The declared names, with whether each is required."""
    names = {name: False for schema in expanded.schemas for name in schema.named("properties")}
    return names | {name: True for schema in expanded.schemas for name in schema.texts("required")}


def further_members(expanded: Expanded) -> Node | None:
    """The schemas of the values of members that are not declared; None where there are none.

    Without additionalProperties, an object whose properties are named gets no others, and one of which nothing is said
    gets any.
    """
    further = [each for schema in expanded.schemas for each in _further(schema)]
    is_closed = any(expanded.having("properties")) or any(expanded.having("required"))
    return Node.of(further) if further or not is_closed else None


def member_node(expanded: Expanded, name: str) -> Node:
    """The schemas of the value of one member."""
    declared = [(schema, schema.named("properties")) for schema in expanded.schemas]
    return Node.of(
        each
        for schema, properties in declared
        for each in ([properties[name]] if name in properties else _further(schema))
    )


def _further(schema: Schema) -> list[Schema]:
    return [schema.schema("additionalProperties")] if schema.has("additionalProperties") else []
