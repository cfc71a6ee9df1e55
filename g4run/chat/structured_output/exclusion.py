"""Whether the branches of a oneOf exclude one another: only then is any of them exactly one of them."""

from g4run.chat.structured_output.keywords import Contradiction, Schema
from g4run.chat.structured_output.nodes import Expanded, Group, Node, expand
from g4run.chat.structured_output.numbers import read_numbers
from g4run.chat.structured_output.objects import ObjectReader
from g4run.chat.structured_output.scalars import allows, read_constants

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
    sides = [Node.of([branch]) for branch in group.branches]
    for index, side in enumerate(sides):
        for other in sides[:index]:
            if not (_excludes(root, side, other) and _excludes(root, other, side)):
                raise group.schema.error(
                    "a value may satisfy several branches, which cannot be ruled out; use anyOf", "oneOf"
                )


def _excludes(root: Schema, written_node: Node, other_node: Node, depth: int = 0) -> bool:
    """Whether nothing that is written for one side satisfies the other."""
    written, other = expand(root, written_node), expand(root, other_node)
    if written.is_never or other.is_never:
        return True
    if depth > _MAX_DEPTH:
        return False
    if written.group is not None:
        return all(_excludes(root, branch, other_node, depth + 1) for branch in written_node.choose(written.group))
    if other.group is not None:
        return all(_excludes(root, written_node, branch, depth + 1) for branch in other_node.choose(other.group))
    try:
        return _excludes_plain(root, written, other, depth)
    except Contradiction:
        return True  # one of the sides allows nothing


def _excludes_plain(root: Schema, written: Expanded, other: Expanded, depth: int) -> bool:
    ours, theirs = read_constants(written), read_constants(other)
    types, other_types = written.types(), other.explicit_types()
    if types is not None and other_types is not None and not types & other_types:
        return True
    if ours is not None:
        return not any(allows(other, value) and (theirs is None or value in theirs) for value in ours)
    if theirs is not None:
        return not any(allows(written, value) for value in theirs)
    if types is None or other_types is None:
        return False
    if types == frozenset({"object"}) == other_types:
        return _excludes_object(root, written, other, depth)
    return types <= {"number", "integer"} and _excludes_number(written, other)


def _excludes_number(written: Expanded, other: Expanded) -> bool:
    try:
        read_numbers((*written.schemas, *other.schemas))
    except Contradiction:
        return True
    return False


def _excludes_object(root: Schema, written: Expanded, other: Expanded, depth: int) -> bool:
    """Whether a written object lacks what the other requires, or has a member that the other does not allow."""
    ours = ObjectReader(root, written)
    names = {each.name: each for each in ours.properties()}
    theirs = {each.name: each for each in ObjectReader(root, other).properties()}
    is_open = any(True for _ in ours.further())
    if not is_open and any(each.is_required and each.name not in names for each in theirs.values()):
        return True
    return any(
        _excludes(root, each.node, theirs[name].node, depth + 1)
        for name, each in names.items()
        if each.is_required and name in theirs
    )
