"""Whether a value satisfies a schema: asked of the values that "enum" and "const" list."""

import json
from collections.abc import Mapping, Sequence

from g4run.chat.grammars.keywords import Schema, exact_number, resolve
from g4run.chat.grammars.scalars import Contradiction, read_numbers, read_pattern, read_strings
from g4run.chat.messages import JsonValue

_MAX_DEPTH = 200  # schemas within schemas, so that a reference to itself ends


def canonical(value: JsonValue) -> str:
    """One text for all values that JSON schema calls equal, 1 and 1.0 among them."""
    match value:
        case bool() | None | str():
            return json.dumps(value)
        case int() | float():
            exact = exact_number(value)
            return json.dumps(value) if exact is None else str(exact)
        case Mapping():
            members = sorted((json.dumps(name), canonical(item)) for name, item in value.items())
            return "{" + ",".join(f"{name}:{item}" for name, item in members) + "}"
        case _:
            return "[" + ",".join(map(canonical, value)) + "]"


def type_names(value: JsonValue) -> frozenset[str]:
    """The types that a value has; a whole number is an integer and a number."""
    match value:
        case None:
            return frozenset({"null"})
        case bool():
            return frozenset({"boolean"})
        case int() | float():
            whole = isinstance(value, int) or value.is_integer()
            return frozenset({"number", "integer"} if whole else {"number"})
        case str():
            return frozenset({"string"})
        case Mapping():
            return frozenset({"object"})
        case _:
            return frozenset({"array"})


def satisfies(root: Schema, schema: Schema, value: JsonValue, depth: int = 0) -> bool:
    """Whether a value is valid; raises UsageError for keywords that cannot be understood."""
    if isinstance(schema.value, bool):
        return schema.value
    schema.check()
    if depth > _MAX_DEPTH:
        raise schema.error("nests too deep, or refers to itself")

    def holds(other: Schema) -> bool:
        return satisfies(root, other, value, depth + 1)

    listed = listed_values(schema)
    if listed is not None and canonical(value) not in map(canonical, listed):
        return False
    if schema.has("$ref") and not holds(resolve(root, schema)):
        return False
    return all(map(holds, schema.schemas("allOf"))) and satisfies_beside(root, schema, value, depth)


def listed_values(schema: Schema) -> Sequence[JsonValue] | None:
    """The values that a schema lists by "enum", by "const", or by both; None where it lists none."""
    if not schema.has("const"):
        return schema.items("enum") if schema.has("enum") else None
    value = schema.members["const"]
    is_listed = not schema.has("enum") or canonical(value) in map(canonical, schema.items("enum"))
    return [value] if is_listed else []


def satisfies_beside(root: Schema, schema: Schema, value: JsonValue, depth: int = 0) -> bool:
    """Whether a value is valid but for what the schema lists, and for "$ref" and "allOf"."""

    def holds(other: Schema) -> bool:
        return satisfies(root, other, value, depth + 1)

    types = schema.types()
    if types is not None and not types & type_names(value):
        return False
    if schema.has("anyOf") and not any(map(holds, schema.schemas("anyOf"))):
        return False
    if schema.has("oneOf") and sum(map(holds, schema.schemas("oneOf"))) != 1:
        return False
    try:
        return _fits_type(root, schema, value, depth)
    except Contradiction:
        return False


def _fits_type(root: Schema, schema: Schema, value: JsonValue, depth: int) -> bool:
    match value:
        case bool() | None:
            return True
        case int() | float():
            exact = exact_number(value)
            return exact is not None and read_numbers([schema], is_integer=False).hold(exact)
        case str():
            return read_strings([schema]).hold(value)
        case Mapping():
            return _fits_object(root, schema, value, depth)
        case _:
            return _fits_array(root, schema, value, depth)


def _fits_object(root: Schema, schema: Schema, value: Mapping[str, JsonValue], depth: int) -> bool:
    least, most = schema.count("minProperties") or 0, schema.count("maxProperties")
    if len(value) < least or (most is not None and len(value) > most):
        return False
    if not set(schema.texts("required")) <= set(value):
        return False
    names = [schema.schema("propertyNames")] if schema.has("propertyNames") else []
    return all(
        satisfies(root, each, item, depth + 1) for name, item in value.items() for each in member_schemas(schema, name)
    ) and all(satisfies(root, each, name, depth + 1) for name in value for each in names)


def member_schemas(schema: Schema, name: str) -> list[Schema]:
    """The schemas that a member of that name must satisfy."""
    found = [each] if (each := schema.member("properties", name)) else []
    for pattern, each in schema.named("patternProperties").items():
        if read_pattern(schema, pattern, "patternProperties", pattern).accepts(name):
            found.append(each)
    return found or further_schemas(schema)


def further_schemas(schema: Schema) -> list[Schema]:
    """The schemas of members that no property and no pattern names; none where the schema does not say."""
    keywords = ("additionalProperties", "unevaluatedProperties")
    return [schema.schema(keyword) for keyword in keywords if schema.has(keyword)]


def prefix_schemas(schema: Schema) -> tuple[Schema, ...]:
    """The schemas of the first items; before 2020 "items" itself could list them."""
    if schema.has("prefixItems"):
        return schema.schemas("prefixItems")
    is_list = isinstance(schema.members.get("items"), Sequence) and not isinstance(schema.members["items"], str)
    return schema.schemas("items") if is_list else ()


def item_schemas(schema: Schema) -> list[Schema]:
    """The schemas of the items behind the first ones; none where the schema does not say."""
    is_old = not schema.has("prefixItems") and bool(prefix_schemas(schema))
    keywords = ["additionalItems" if is_old else "items", "unevaluatedItems"]
    return [schema.schema(keyword) for keyword in keywords if schema.has(keyword)]


def _fits_array(root: Schema, schema: Schema, value: Sequence[JsonValue], depth: int) -> bool:
    least, most = schema.count("minItems") or 0, schema.count("maxItems")
    if len(value) < least or (most is not None and len(value) > most):
        return False
    if schema.flag("uniqueItems") and len(set(map(canonical, value))) < len(value):
        return False
    prefix, rest = prefix_schemas(schema), item_schemas(schema)
    return all(
        satisfies(root, each, item, depth + 1)
        for index, item in enumerate(value)
        for each in ([prefix[index]] if index < len(prefix) else rest)
    )
