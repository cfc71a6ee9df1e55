"""JSON values taken apart with errors that name the place."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from g4run.chat.messages import MAX_DEPTH, JsonValue
from g4run.errors import UsageError


@dataclass(frozen=True, slots=True)
class Place:
    """A JSON value and where it was found ("messages[2].content"); every method raises UsageError on a wrong type."""

    value: JsonValue
    path: str

    def error(self, what: str) -> UsageError:
        """The error that says what is wrong here."""
        return UsageError(f"{self.path} {what}")

    def at(self, key: str) -> "Place":
        """The member of that name; its value is None where it is missing or null."""
        return Place(self.members().get(key), f"{self.path}.{key}" if self.path else key)

    def has(self, key: str) -> bool:
        """Whether there is such a member, and not null."""
        return isinstance(self.value, Mapping) and self.value.get(key) is not None

    def members(self) -> Mapping[str, JsonValue]:
        """The value as an object."""
        if not isinstance(self.value, Mapping):
            raise self.error(f"must be an object, not {describe_type(self.value)}")
        return self.value

    def nested_members(self) -> Mapping[str, JsonValue]:
        """The value as an object that nests no deeper than can be rendered."""
        self.check_depth()
        return self.members()

    def check_depth(self) -> None:
        """Refuse a value that nests deeper than can be rendered."""
        if not fits_depth(self.value, MAX_DEPTH):
            raise self.error(f"nests deeper than {MAX_DEPTH} levels")

    def items(self) -> Iterator["Place"]:
        """The elements of a list; of null, none."""
        if self.value is None:
            return
        if isinstance(self.value, str) or not isinstance(self.value, Sequence):
            raise self.error(f"must be a list, not {describe_type(self.value)}")
        for index, item in enumerate(self.value):
            yield Place(item, f"{self.path}[{index}]")

    def text(self) -> str:
        """The value as a string, which must be there."""
        if self.value is None:
            raise self.error("is missing")
        if not isinstance(self.value, str):
            raise self.error(f"must be a string, not {describe_type(self.value)}")
        return self.value

    def text_or_empty(self) -> str:
        """The value as a string; of null, the empty one."""
        return "" if self.value is None else self.text()


def describe_type(value: JsonValue) -> str:
    """JSON's name for a value's type, with its article."""
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


def fits_depth(value: JsonValue, most: int) -> bool:
    """Whether a value stays within so many levels; goes level by level, so that no input exhausts the stack."""
    level = [value]
    for _ in range(most):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return True
    return False


def _children(value: JsonValue) -> Sequence[JsonValue]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()
