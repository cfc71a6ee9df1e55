"""Typed access to JSON values, with errors that give the path."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from g4run.chat.messages import MAX_DEPTH, JsonValue
from g4run.errors import UsageError


@dataclass(frozen=True, slots=True)
class JsonNode:
    """A JSON value and its path ("messages[2].content"); every method raises UsageError on a wrong type."""

    value: JsonValue
    path: str

    def error(self, what: str) -> UsageError:
        """Return an error about this value."""
        return UsageError(f"{self.path} {what}")

    def at(self, key: str) -> "JsonNode":
        """Return a member of the object; its value is None if missing or null."""
        return JsonNode(self.members().get(key), f"{self.path}.{key}" if self.path else key)

    def has(self, key: str) -> bool:
        """Return whether the object has a member that is not null."""
        return isinstance(self.value, Mapping) and self.value.get(key) is not None

    def members(self) -> Mapping[str, JsonValue]:
        """Return the value, which must be an object."""
        if not isinstance(self.value, Mapping):
            raise self.error(f"must be an object, not {describe_type(self.value)}")
        return self.value

    def nested_members(self) -> Mapping[str, JsonValue]:
        """Return the value, which must be an object that nests at most MAX_DEPTH levels."""
        self.check_depth()
        return self.members()

    def check_depth(self) -> None:
        """Refuse a value that nests deeper than MAX_DEPTH levels."""
        if not fits_depth(self.value, MAX_DEPTH):
            raise self.error(f"nests deeper than {MAX_DEPTH} levels")

    def items(self) -> Iterator["JsonNode"]:
        """Yield the elements of a list; none for null."""
        if self.value is None:
            return
        if isinstance(self.value, str) or not isinstance(self.value, Sequence):
            raise self.error(f"must be a list, not {describe_type(self.value)}")
        for index, item in enumerate(self.value):
            yield JsonNode(item, f"{self.path}[{index}]")

    def text(self) -> str:
        """Return the value, which must be a string."""
        if self.value is None:
            raise self.error("is missing")
        if not isinstance(self.value, str):
            raise self.error(f"must be a string, not {describe_type(self.value)}")
        return self.value

    def text_or_empty(self) -> str:
        """Return the string, or an empty one for null."""
        return "" if self.value is None else self.text()


def describe_type(value: JsonValue) -> str:
    """Return JSON's name of a value's type, with an article."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case Mapping():
            return "an object"
        case _:
            return "a list"


def fits_depth(value: JsonValue, limit: int) -> bool:
    """Return whether a value nests at most `limit` levels; iterates, so that no input exhausts the stack."""
    level = [value]
    for _ in range(limit):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return True
    return False


def _children(value: JsonValue) -> Sequence[JsonValue]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()
