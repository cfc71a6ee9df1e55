"""The keywords of JSON schemas: constraints, annotations, and how their values are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Final

from g4run.chat.json_reader import describe_type, fits_depth
from g4run.chat.messages import JsonValue
from g4run.chat.structured_output.formats import FORMATS
from g4run.errors import UsageError

_TYPES: Final = ("null", "boolean", "integer", "number", "string", "object", "array")
KEYWORDS_BY_TYPE: Final = {
    "object": "properties required additionalProperties unevaluatedProperties patternProperties propertyNames"
    " minProperties maxProperties",
    "array": "items prefixItems additionalItems unevaluatedItems minItems maxItems uniqueItems",
    "string": "minLength maxLength pattern format",
    "number": "minimum maximum exclusiveMinimum exclusiveMaximum multipleOf",
}
"""Keywords that constrain values of one type only."""
_ANNOTATIONS: Final = (
    "title description default example examples deprecated readOnly writeOnly discriminator contentEncoding"
    " contentMediaType contentSchema xml externalDocs propertyOrdering markdownDescription enumDescriptions strict"
    " definitions $defs $schema $id $anchor $comment $vocabulary"
)
"""Those of the specification, and those that clients are known to add."""
_GENERAL: Final = "type enum const anyOf oneOf allOf $ref nullable"
_KNOWN: Final = frozenset(" ".join([_GENERAL, _ANNOTATIONS, *KEYWORDS_BY_TYPE.values()]).split())
_MAX_COUNT: Final = 10**18
_MAX_VALUES: Final = 20_000
_MAX_DIGITS: Final = 400
_MAX_DEPTH: Final = 128  # as JSON; references may be recursive


class Contradiction(UsageError):
    """Nothing satisfies the schema; inside anyOf, only that branch is dropped."""


@dataclass(frozen=True, slots=True)
class Schema:
    """One schema and the JSON pointer to it; `label` names the document."""

    label: str
    pointer: str
    value: JsonValue = field(compare=False)

    @staticmethod
    def read(label: str, value: JsonValue) -> "Schema":
        """Wrap a whole document. Raises UsageError if it nests too deeply."""
        if not fits_depth(value, _MAX_DEPTH):
            raise UsageError(f"{label} nests deeper than {_MAX_DEPTH} levels")
        return Schema(label, "#", value)

    @property
    def place(self) -> str:
        """The document and the pointer, for messages."""
        return f"{self.label} at {self.pointer}"

    def error(self, what: str, *path: str) -> UsageError:
        """An error at this place, or below it."""
        return UsageError(f"{self.below(*path).place}: {what}")

    def contradiction(self, what: str, *path: str) -> Contradiction:
        """A contradiction at this place, or below it."""
        return Contradiction(self.error(what, *path).message)

    def below(self, *path: str, value: JsonValue = None) -> "Schema":
        """A value below this one."""
        steps = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in path)
        return Schema(self.label, self.pointer + steps, value)

    @property
    def members(self) -> Mapping[str, JsonValue]:
        """The keywords; a boolean schema has none. Raises UsageError if the value is not a schema."""
        if isinstance(self.value, bool):
            return {}
        if not isinstance(self.value, Mapping):
            raise self.error(f"a schema must be an object or a boolean, not {describe_type(self.value)}")
        return self.value

    def check(self) -> None:
        """Refuse unknown keywords and formats, which would be ignored otherwise."""
        for keyword in self.members:
            if keyword not in _KNOWN and not keyword.startswith("x-"):
                raise self.error(f'the keyword "{keyword}" is not supported')
        if self.has("format") and self.text("format") not in FORMATS:
            raise self.error(f'the format "{self.text("format")}" is not supported', "format")
        if self.has("$id") and self.pointer != "#" and not self.text("$id").startswith("#"):
            raise self.error("an $id in a nested schema is not supported", "$id")

    def has(self, keyword: str) -> bool:
        """Whether the schema has a keyword."""
        return keyword in self.members

    def schema(self, keyword: str) -> "Schema":
        """A keyword's value as a schema."""
        return self.below(keyword, value=self.members[keyword])

    def schemas(self, keyword: str) -> "list[Schema]":
        """A keyword's value as a list of schemas."""
        return [self.below(keyword, str(index), value=item) for index, item in enumerate(self.items(keyword))]

    def named(self, keyword: str) -> "dict[str, Schema]":
        """A keyword's value as schemas by name."""
        value = self.members.get(keyword, {})
        if not isinstance(value, Mapping):
            raise self.error(f"must be an object, not {describe_type(value)}", keyword)
        return {name: self.below(keyword, name, value=item) for name, item in value.items()}

    def items(self, keyword: str) -> Sequence[JsonValue]:
        """A keyword's value as a list."""
        value = self.members.get(keyword, ())
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise self.error(f"must be a list, not {describe_type(value)}", keyword)
        return value

    def listed(self, keyword: str) -> Sequence[JsonValue]:
        """The values that "enum" or "const" lists."""
        values = [self.members[keyword]] if keyword == "const" else self.items(keyword)
        if len(values) > _MAX_VALUES:
            raise self.error("too many values to enforce", keyword)
        return values

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
        """A keyword's value as a boolean; False if it is missing."""
        value = self.members.get(keyword, False)
        if not isinstance(value, bool):
            raise self.error(f"must be a boolean, not {describe_type(value)}", keyword)
        return value

    def count(self, keyword: str) -> int | None:
        """A keyword's value as a count; None if it is missing."""
        if not self.has(keyword):
            return None
        number = self.number(keyword)
        if number.denominator != 1 or number < 0:
            raise self.error("must be a non-negative integer", keyword)
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
            raise self.error(f"must be a number with at most {_MAX_DIGITS} digits", keyword)
        return exact

    def types(self) -> frozenset[str] | None:
        """The allowed types, where "number" includes "integer"; None if all are allowed."""
        if not self.has("type"):
            return None
        value = self.members["type"]
        names = {value} if isinstance(value, str) else set(self.texts("type"))
        if not names or not names <= set(_TYPES):
            raise self.error("must be one or more of " + ", ".join(_TYPES), "type")
        return frozenset(
            names | ({"integer"} if "number" in names else set()) | ({"null"} if self.flag("nullable") else set())
        )


def exact_number(value: float) -> Fraction | None:
    """The exact number that a decimal text means, not the nearest double; None if it is infinite or huge."""
    if isinstance(value, int):
        return Fraction(value) if value.bit_length() < _MAX_DIGITS * 3 else None
    decimal = Decimal(repr(value))
    return Fraction(decimal) if decimal.is_finite() and abs(decimal.adjusted()) < _MAX_DIGITS else None
