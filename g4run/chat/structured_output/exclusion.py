"""Checks that the branches of a oneOf are mutually exclusive, so that it can be treated as an anyOf."""

from typing import Final

from g4run.chat.messages import JsonValue
from g4run.chat.structured_output.keywords import Contradiction, Schema
from g4run.chat.structured_output.nodes import Group, Node, expand
from g4run.chat.structured_output.numbers import read_numbers, write_number
from g4run.chat.structured_output.objects import ObjectReader
from g4run.chat.structured_output.scalars import read_constants

_MAX_DEPTH: Final = 8  # nested properties and branches
_MAX_STEPS: Final = 20_000  # 3 s
_MAX_BRANCHES: Final = 60  # each pair is compared


def check_exclusive(root: Schema, group: Group) -> None:
    """Raise UsageError if a value written for one branch might satisfy another as well.

    A discriminator, OpenAPI's term for a property that tells the branches apart, rules that out.
    """
    if group.schema.has("discriminator"):
        return
    if len(group.branches) > _MAX_BRANCHES:
        raise group.schema.error(f"more than {_MAX_BRANCHES} branches are not supported; use anyOf", "oneOf")
    comparison = _Comparison(root)
    for written in group.branches:
        as_written = comparison.close(written)
        for other in group.branches:
            if other is not written and comparison.may_hold(Node.of([written, as_written, other])):
                what = "the branches may overlap; use anyOf"
                raise group.schema.error(what, "oneOf")


class _Comparison:
    """Compares schemas of one document in a limited number of steps."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._steps = 0

    def close(self, schema: Schema) -> Schema:
        """What the grammar adds to a schema: its implied types, and no undeclared members."""
        expanded = expand(self._root, Node.of([schema]))
        types = expanded.types()
        added: dict[str, JsonValue] = {}
        if expanded.group is None and types is not None:
            added["type"] = sorted(types)
            reader = ObjectReader(self._root, expanded)
            if types == frozenset(["object"]) and not any(reader.further()):
                added |= {"properties": dict.fromkeys(reader.names, True), "additionalProperties": False}
        return schema.below(" ", value=added)

    def may_hold(self, node: Node, depth: int = 0) -> bool:
        """Whether a value may satisfy all schemas of a node, undeclared members included; True if in doubt."""
        expanded = expand(self._root, node)
        self._steps += 1
        if expanded.is_never or depth > _MAX_DEPTH or self._steps > _MAX_STEPS:
            return not expanded.is_never
        if expanded.group is not None:
            return any(self.may_hold(each, depth + 1) for each in node.choose(expanded.group))
        try:
            if read_constants(expanded) is not None:
                return True
            types = expanded.explicit_types()
            if types == frozenset(["object"]):
                reader = ObjectReader(self._root, expanded, is_open=True)
                return all(self.may_hold(each, depth + 1) for name, each in reader.members() if reader.names[name])
            if types is not None and types <= {"integer", "number"}:
                bounds = read_numbers(expanded.schemas)
                return bool(types and write_number(expanded.schemas[0], bounds, is_integer="number" not in types))
            return True
        except Contradiction:
            return False
