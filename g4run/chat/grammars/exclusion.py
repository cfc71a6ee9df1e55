"""Whether the branches of a oneOf exclude one another: only then is any of them exactly one of them."""

from collections.abc import Mapping

from g4run.chat.grammars.keywords import Schema
from g4run.chat.grammars.nodes import Expanded, Group, Node, expand
from g4run.chat.grammars.satisfaction import canonical, further_schemas, listed_values, satisfies
from g4run.chat.grammars.scalars import Contradiction, read_numbers
from g4run.chat.messages import JsonValue

_MAX_DEPTH = 4  # properties within properties
_MAX_BRANCHES = 60  # every pair is looked at


def check_exclusive(root: Schema, group: Group) -> None:
    """Raise UsageError where what is written for one branch might satisfy another, and nothing says that it does not.

    A discriminator, OpenAPI's word for a property that tells the branches apart, says so.
    """
    if group.schema.has("discriminator") or len(group.branches) == 1:
        return
    if len(group.branches) > _MAX_BRANCHES:
        raise group.schema.error(f"more than {_MAX_BRANCHES} branches cannot be compared; use anyOf", "oneOf")
    sides = [expand(root, Node.of([branch])) for branch in group.branches]
    for index, side in enumerate(sides):
        for other in sides[:index]:
            if not (_excludes(root, side, other, 0) and _excludes(root, other, side, 0)):
                raise group.schema.error(
                    "a value may satisfy several branches, which cannot be ruled out; use anyOf", "oneOf"
                )


def _excludes(root: Schema, written: Expanded, other: Expanded, depth: int) -> bool:
    """Whether nothing that is written for one side satisfies the other."""
    if written.is_never or other.is_never:
        return True
    ours, theirs = constants(written), constants(other)
    if ours is not None and theirs is not None:
        return set(map(canonical, ours)).isdisjoint(map(canonical, theirs))
    for values, judging in ((ours, other), (theirs, written)):
        if values is not None:
            return not any(all(satisfies(root, each, value) for each in judging.schemas) for value in values)
    types, other_types = written.types(), other.explicit_types()
    if types is not None and other_types is not None and not _overlap(types, other_types):
        return True
    if types == frozenset({"object"}):
        return _excludes_object(root, written, other, depth)
    return types is not None and types <= {"number", "integer"} and _excludes_number(written, other)


def _overlap(left: frozenset[str], right: frozenset[str]) -> bool:
    return bool(left & right)


def constants(expanded: Expanded) -> "list[JsonValue] | None":
    """The values that an enum or a const lists, at least; None where there are none."""
    return next((list(listed) for schema in expanded.schemas if (listed := listed_values(schema)) is not None), None)


def _excludes_number(written: Expanded, other: Expanded) -> bool:
    if other.explicit_types() is None:
        return False
    try:
        read_numbers((*written.schemas, *other.schemas), is_integer=False)
    except Contradiction:
        return True
    return False


def _excludes_object(root: Schema, written: Expanded, other: Expanded, depth: int) -> bool:
    """Whether a written object lacks what the other requires, or has a member that the other does not allow."""
    if other.explicit_types() != frozenset({"object"}):
        return False
    required = _required(written)
    names = _written_names(written)
    if names is not None and not _required(other) <= names:
        return True
    ours, theirs = _properties(written), _properties(other)
    return depth < _MAX_DEPTH and any(
        _excludes(root, expand(root, Node.of(ours[name])), expand(root, Node.of(theirs[name])), depth + 1)
        for name in required & ours.keys() & theirs.keys()
    )


def _required(expanded: Expanded) -> frozenset[str]:
    return frozenset(name for schema in expanded.schemas for name in schema.texts("required"))


def _properties(expanded: Expanded) -> Mapping[str, list[Schema]]:
    found: dict[str, list[Schema]] = {}
    for schema in expanded.schemas:
        for name, each in schema.named("properties").items():
            found.setdefault(name, []).append(each)
    return found


def _written_names(expanded: Expanded) -> frozenset[str] | None:
    """The names of all members that are ever written; None where others may come."""
    further = [each for schema in expanded.schemas for each in further_schemas(schema)]
    is_open = expanded.group is not None or any(schema.has("patternProperties") for schema in expanded.schemas)
    if is_open or (further and not any(each.value is False for each in further)):
        return None
    names = _properties(expanded).keys() | _required(expanded)
    is_closed = bool(names or further) or any(expanded.having("properties"))
    return frozenset(names) if is_closed else None
