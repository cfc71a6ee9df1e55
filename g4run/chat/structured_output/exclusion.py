"""Whether the branches of a oneOf exclude one another: only then is any of them exactly one of them."""

from itertools import combinations
from typing import Final

from g4run.chat.messages import JsonValue
from g4run.chat.structured_output.keywords import TYPES, Schema
from g4run.chat.structured_output.nodes import Expanded, Group, Node, expand
from g4run.chat.structured_output.objects import declared_names, member_node
from g4run.chat.structured_output.scalars import canonical, listings_of, types_of

_MAX_BRANCHES: Final = 60  # every pair is looked at


def check_exclusive(root: Schema, group: Group) -> None:
    """Raise UsageError unless the type, or the type or values of a required property, tell all branches apart.

    A discriminator, OpenAPI's word for a property that tells the branches apart, says that they are.
    """
    if group.schema.has("discriminator"):
        return
    if len(group.branches) > _MAX_BRANCHES:
        raise group.schema.error(f"more than {_MAX_BRANCHES} branches cannot be compared; use anyOf", "oneOf")
    branches = [expand(root, Node.of([branch])) for branch in group.branches]
    for one, other in combinations(branches, 2):
        names = declared_names(one) | {name: True for name, required in declared_names(other).items() if required}
        members = (
            [expand(root, member_node(branch, name)) for branch in (one, other)] for name in names if names[name]
        )
        if not _are_apart(one, other) and not any(_are_apart(*pair) for pair in members):
            what = "a value may satisfy several branches, which cannot be ruled out; use anyOf"
            raise group.schema.error(what, "oneOf")


def _are_apart(one: Expanded, other: Expanded) -> bool:
    """Whether no value satisfies both, to judge by types and listed values."""
    if one.is_never or other.is_never or _types(one).isdisjoint(_types(other)):
        return True
    values, others = _values(one), _values(other)
    return values is not None and others is not None and values.isdisjoint(others)


def _types(expanded: Expanded) -> frozenset[str]:
    types = expanded.explicit_types()
    listed = [frozenset[str]().union(*map(types_of, values)) for _, _, values in listings_of(expanded)]
    return frozenset(TYPES if types is None else types).intersection(*listed)


def _values(expanded: Expanded) -> frozenset[JsonValue] | None:
    listed = [frozenset(map(canonical, values)) for _, _, values in listings_of(expanded)]
    return frozenset.intersection(*listed) if listed else None
