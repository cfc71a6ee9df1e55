"""The keywords of JSON schemas: which mean something, which only describe, and how their values are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Final
from urllib.parse import unquote

from g4run.chat.grammars.numbers import MAX_BOUND_DIGITS
from g4run.chat.json_reader import describe_type
from g4run.chat.messages import JsonValue
from g4run.errors import UsageError

TYPES: Final = ("null", "boolean", "integer", "number", "string", "object", "array")
STRING_KEYWORDS: Final = frozenset({"minLength", "maxLength", "pattern", "format"})
NUMBER_KEYWORDS: Final = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
OBJECT_KEYWORDS: Final = frozenset(
    {
        "properties",
        "required",
        "additionalProperties",
        "unevaluatedProperties",
        "patternProperties",
        "propertyNames",
        "minProperties",
        "maxProperties",
    }
)
ARRAY_KEYWORDS: Final = frozenset(
    {"items", "prefixItems", "additionalItems", "unevaluatedItems", "minItems", "maxItems", "uniqueItems"}
)
_GENERAL: Final = frozenset({"type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "nullable"})
_ANNOTATIONS: Final = frozenset(
    {
        "title",
        "description",
        "default",
        "example",
        "examples",
        "deprecated",
        "readOnly",
        "writeOnly",
        "discriminator",
        "contentEncoding",
        "contentMediaType",
        "contentSchema",
        "xml",
        "externalDocs",
        "propertyOrdering",
        "markdownDescription",
        "enumDescriptions",
        "strict",
        "definitions",
        "$defs",
        "$schema",
        "$id",
        "$anchor",
        "$comment",
        "$vocabulary",
    }
)
"""What constrains nothing: the specification's annotations, and those that clients are known to add."""
_KNOWN: Final = _GENERAL | _ANNOTATIONS | STRING_KEYWORDS | NUMBER_KEYWORDS | OBJECT_KEYWORDS | ARRAY_KEYWORDS
_MAX_COUNT: Final = 10**18
MAX_DEPTH: Final = 128
"""Levels of nesting that a schema may have, as JSON; references may go round as they like."""


@dataclass(frozen=True, slots=True)
class Schema:
    """One schema and its place, a JSON pointer; `label` names the whole that the pointer leads through."""

    label: str
    pointer: str
    value: JsonValue = field(compare=False)

    def error(self, what: str, *path: str) -> UsageError:
        """The error that says what is wrong here, or below."""
        return UsageError(f"{self.label} at {self.below(*path).pointer}: {what}")

    def below(self, *path: str, value: JsonValue = None) -> "Schema":
        """A value below this one."""
        steps = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in path)
        return Schema(self.label, self.pointer + steps, value)

    @property
    def members(self) -> Mapping[str, JsonValue]:
        """The keywords; a boolean schema has none. Raises UsageError where the schema is none, or not understood."""
        if isinstance(self.value, bool):
            return {}
        if not isinstance(self.value, Mapping):
            raise self.error(f"a schema must be an object or a boolean, not {describe_type(self.value)}")
        return self.value

    def check(self) -> None:
        """Refuse a keyword that is not understood, rather than ignore it."""
        for keyword in self.members:
            if keyword not in _KNOWN and not keyword.startswith("x-"):
                raise self.error(f'the keyword "{keyword}" is not supported')

    def has(self, keyword: str) -> bool:
        """Whether the keyword is there."""
        return keyword in self.members

    def schema(self, keyword: str) -> "Schema":
        """The schema that is a keyword's value."""
        return self.below(keyword, value=self.members[keyword])

    def schemas(self, keyword: str) -> "tuple[Schema, ...]":
        """The schemas of a keyword whose value is a list of them."""
        items = self.items(keyword)
        return tuple(self.below(keyword, str(index), value=item) for index, item in enumerate(items))

    def named(self, keyword: str) -> "dict[str, Schema]":
        """The schemas of a keyword whose value is an object of them; none where it is missing."""
        value = self.members.get(keyword, {})
        if not isinstance(value, Mapping):
            raise self.error(f"must be an object, not {describe_type(value)}", keyword)
        return {name: self.below(keyword, name, value=item) for name, item in value.items()}

    def member(self, keyword: str, name: str) -> "Schema | None":
        """One of the schemas of a keyword whose value is an object of them."""
        value = self.members.get(keyword)
        return self.below(keyword, name, value=value[name]) if isinstance(value, Mapping) and name in value else None

    def items(self, keyword: str) -> Sequence[JsonValue]:
        """A keyword's value as a list; of a missing one, none."""
        value = self.members.get(keyword, ())
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise self.error(f"must be a list, not {describe_type(value)}", keyword)
        return value

    def text(self, keyword: str) -> str:
        """A keyword's value as a string."""
        value = self.members[keyword]
        if not isinstance(value, str):
            raise self.error(f"must be a string, not {describe_type(value)}", keyword)
        return value

    def texts(self, keyword: str) -> Sequence[str]:
        """A keyword's value as a list of strings."""
        found = [item for item in self.items(keyword) if isinstance(item, str)]
        if len(found) < len(self.items(keyword)):
            raise self.error("must be a list of strings", keyword)
        return found

    def flag(self, keyword: str) -> bool:
        """A keyword's value as a boolean; a missing one is false."""
        value = self.members.get(keyword, False)
        if not isinstance(value, bool):
            raise self.error(f"must be a boolean, not {describe_type(value)}", keyword)
        return value

    def count(self, keyword: str) -> int | None:
        """A keyword's value as a number of something; None where it is missing."""
        if not self.has(keyword):
            return None
        number = self.number(keyword)
        if number.denominator != 1 or number < 0:
            raise self.error("must be an integer that is not negative", keyword)
        if number > _MAX_COUNT:
            raise self.error(f"must be at most {_MAX_COUNT}", keyword)
        return int(number)

    def number(self, keyword: str) -> Fraction:
        """A keyword's value as an exact number."""
        value = self.members[keyword]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(f"must be a number, not {describe_type(value)}", keyword)
        exact = exact_number(value)
        if exact is None:
            raise self.error(f"must be a number of at most {MAX_BOUND_DIGITS} digits", keyword)
        return exact

    def types(self) -> frozenset[str] | None:
        """The allowed types, where "number" holds "integer"; None where every type is."""
        if not self.has("type"):
            return None
        value = self.members["type"]
        names = [value] if isinstance(value, str) else list(self.texts("type"))
        if not names or not set(names) <= set(TYPES):
            raise self.error("must be one or several of " + ", ".join(TYPES), "type")
        return frozenset(names) | ({"integer"} if "number" in names else set()) | self._null()

    def _null(self) -> set[str]:
        return {"null"} if self.flag("nullable") else set()


def exact_number(value: float) -> Fraction | None:
    """The number that a decimal text means, not the double next to it; None of one that is none, or is huge."""
    if isinstance(value, int):
        return Fraction(value) if value.bit_length() < MAX_BOUND_DIGITS * 3 else None
    decimal = Decimal(repr(value))
    return Fraction(decimal) if decimal.is_finite() and abs(decimal.adjusted()) < MAX_BOUND_DIGITS else None


def read_schema(label: str, value: JsonValue) -> Schema:
    """Take a whole schema; raises UsageError where it nests too deep to be gone through."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return Schema(label, "#", value)
    raise UsageError(f"{label} nests deeper than {MAX_DEPTH} levels")


def _children(value: JsonValue) -> Sequence[JsonValue]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def resolve(root: Schema, schema: Schema) -> Schema:
    """The schema that a "$ref" names; only pointers into the same schema are followed."""
    reference = schema.text("$ref")
    if reference != "#" and not reference.startswith("#/"):
        raise schema.error(f'"{reference}" is no pointer into this schema, and others are not supported', "$ref")
    value = root.value
    path = [step.replace("~1", "/").replace("~0", "~") for step in unquote(reference[1:]).split("/")[1:]]
    for step in path:
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, Sequence) and not isinstance(value, str) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            raise schema.error(f'there is nothing at "{reference}"', "$ref")
    return root.below(*path, value=value)
