"""Tool declarations: JSON schemas in Gemma's notation.

The model was trained on the reference template's reading of schemas: `enum` only for strings, `items` only for arrays,
and for an object without `properties` the unknown keys are its properties.
"""

from collections.abc import Iterator, Mapping, Sequence

from g4run.chat import tokens
from g4run.chat.arguments import python_text, render_argument, sorted_members
from g4run.chat.messages import MAX_DEPTH, JsonValue, Tool
from g4run.chat.pieces import ControlPiece, Piece, TextPiece, quote, separate

_SCHEMA_KEYS = frozenset({"description", "type", "properties", "required", "nullable"})


def render_tool(tool: Tool) -> Iterator[Piece]:
    """Render one tool's declaration between its tags."""
    yield ControlPiece(tokens.TOOL_OPEN)
    yield TextPiece(f"declaration:{tool.name}")
    yield TextPiece("{description:")
    yield from quote(tool.description)
    if tool.parameters:
        yield from _render_parameters(tool.parameters)
    if tool.response is not None:
        yield from _render_response(tool.response)
    yield TextPiece("}")
    yield ControlPiece(tokens.TOOL_CLOSE)


def _render_parameters(schema: Mapping[str, JsonValue]) -> Iterator[Piece]:
    """Render the schema of the arguments; without a type, the reference leaves the brace open."""
    yield TextPiece(",parameters:{")
    if properties := schema.get("properties"):
        yield TextPiece("properties:{")
        if isinstance(properties, Mapping):
            yield from _render_properties(properties)
        yield TextPiece("},")
    if required := schema.get("required"):
        yield from _render_required(required)
        yield TextPiece(",")
    if schema.get("type"):
        yield from _render_type(schema)
        yield TextPiece("}")


def _render_response(schema: Mapping[str, JsonValue]) -> Iterator[Piece]:
    """Render the schema of the response; the reference closes the brace of objects only."""
    yield TextPiece(",response:{")
    if description := schema.get("description"):
        yield TextPiece("description:")
        yield from quote(python_text(description))
        yield TextPiece(",")
    if _type_name(schema) == "OBJECT":
        yield from _render_type(schema)
        yield TextPiece("}")


def _render_properties(
    properties: Mapping[str, JsonValue], *, skips_schema_keys: bool = False, depth: int = 0
) -> Iterator[Piece]:
    return separate(
        _render_property(name, value if isinstance(value, Mapping) else {}, depth)
        for name, value in sorted_members(properties)
        if not (skips_schema_keys and name in _SCHEMA_KEYS)
    )


def _render_property(name: str, schema: Mapping[str, JsonValue], depth: int) -> Iterator[Piece]:
    yield TextPiece(name + ":{")
    if depth < MAX_DEPTH:
        yield from separate(_property_fields(schema, depth + 1))
    yield TextPiece("}")


def _property_fields(schema: Mapping[str, JsonValue], depth: int) -> Iterator[Iterator[Piece]]:
    """Yield the fields of one property's schema in the reference's order."""
    kind = _type_name(schema)
    if description := schema.get("description"):
        yield _render_field("description", quote(python_text(description)))
    if kind == "STRING" and (choices := schema.get("enum")):
        yield _render_field("enum", render_argument(choices, quotes_keys=True))
    items = schema.get("items")
    if kind == "ARRAY" and isinstance(items, Mapping) and items:
        yield _render_group("items", separate(_item_fields(items, depth)))
    if schema.get("nullable"):
        yield iter((TextPiece("nullable:true"),))
    if kind == "OBJECT":
        yield _render_object_properties(schema, depth)
        if required := schema.get("required"):
            yield _render_required(required)
    yield _render_type(schema)


def _render_object_properties(schema: Mapping[str, JsonValue], depth: int) -> Iterator[Piece]:
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        return _render_group("properties", _render_properties(properties, depth=depth))
    return _render_group("properties", _render_properties(schema, skips_schema_keys=True, depth=depth))


def _item_fields(items: Mapping[str, JsonValue], depth: int) -> Iterator[Iterator[Piece]]:
    """Yield the fields of an array's item schema, sorted by name."""
    for name, value in sorted_members(items):
        if value is None:
            continue
        if name == "properties":
            properties = value if isinstance(value, Mapping) else {}
            yield _render_group("properties", _render_properties(properties, depth=depth))
        elif name == "required":
            yield _render_required(value)
        elif name == "type":
            kinds = (
                value.upper() if isinstance(value, str) else [python_text(kind).upper() for kind in _elements(value)]
            )
            yield _render_field("type", render_argument(kinds, quotes_keys=True))
        else:
            yield _render_field(name, render_argument(value, quotes_keys=True))


def _render_required(names: JsonValue) -> Iterator[Piece]:
    yield TextPiece("required:[")
    yield from separate(quote(python_text(name)) for name in _elements(names))
    yield TextPiece("]")


def _render_type(schema: Mapping[str, JsonValue]) -> Iterator[Piece]:
    return _render_field("type", quote(_type_name(schema)))


def _type_name(schema: Mapping[str, JsonValue]) -> str:
    """Return the type in capitals; for a list of types, Python's text of the list, as in the reference."""
    return python_text(schema["type"]).upper() if "type" in schema else ""


def _render_field(name: str, value: Iterator[Piece]) -> Iterator[Piece]:
    yield TextPiece(name + ":")
    yield from value


def _render_group(name: str, members: Iterator[Piece]) -> Iterator[Piece]:
    yield TextPiece(name + ":{")
    yield from members
    yield TextPiece("}")


def _elements(value: JsonValue) -> Sequence[JsonValue]:
    """Return what a jinja2 loop iterates over: items, characters or keys; nothing for numbers."""
    if isinstance(value, Mapping):
        return list(value)
    return value if isinstance(value, Sequence) else ()
