"""Which members the schemas of an object allow, and in which order they are written."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

from g4run.chat.grammars.automata import Automaton, TooComplex, anything, complement, intersect, of_words
from g4run.chat.grammars.dialects import Dialect, within
from g4run.chat.grammars.keywords import Schema
from g4run.chat.grammars.nodes import Expanded, Node, expand
from g4run.chat.grammars.rules import Reference, Rules
from g4run.chat.grammars.satisfaction import further_schemas, member_schemas, satisfies
from g4run.chat.grammars.scalars import contradiction, read_counts, read_pattern, read_strings
from g4run.chat.grammars.structures import Bounds, Member, ObjectWriter

_MAX_MEMBERS: Final = 1_000
_MAX_COUNTED_MEMBERS: Final = 200  # where minProperties or maxProperties need a rule for each number of members

ReferTo: TypeAlias = Callable[[Node], Reference]


class ObjectCompiler:
    """Compiles the schemas of one object.

    Members come in the order of the schema. Without additionalProperties, an object whose properties are named gets no
    others, and one of which nothing is said gets any.
    """

    def __init__(self, root: Schema, rules: Rules, dialect: Dialect, refer_to: ReferTo) -> None:
        self._root = root
        self._rules = rules
        self._dialect = dialect
        self._refer_to = refer_to

    def define(self, expanded: Expanded) -> Reference:
        """Make the rules of an object; raises UsageError, and Contradiction where there is none."""
        first = expanded.schemas[0]
        least, most = read_counts(expanded.schemas, "minProperties", "maxProperties")
        names = self._names(expanded)
        found = (self._member(expanded, name, is_required) for name, is_required in names.items())
        members = [member for member in found if member is not None]
        is_counted = least > 0 or most is not None
        if len(members) > (_MAX_COUNTED_MEMBERS if is_counted else _MAX_MEMBERS):
            raise first.error("an object has too many properties")
        further = self._further(expanded, tuple(names))
        required = sum(member.is_required for member in members)
        if most is not None and most < required:
            raise contradiction(first, f"{required} properties are required, and at most {most} allowed")
        if least > len(members) + (further is not None):
            self._refuse_least(first, least, is_open=further is not None)
        if most is not None and further is None and most >= len(members):
            most = None
        bounds = Bounds(0 if least <= required else least, most)
        return ObjectWriter(self._rules, self._dialect, members, further, bounds).define()

    def _refuse_least(self, schema: Schema, least: int, *, is_open: bool) -> None:
        if is_open:
            raise schema.error(f"minProperties {least} cannot be held where names are free, as one may come twice")
        raise contradiction(schema, f"minProperties {least} is more than there are properties")

    def _names(self, expanded: Expanded) -> dict[str, bool]:
        """The declared names in order, and whether they are required."""
        names = {name: False for schema in expanded.schemas for name in schema.named("properties")}
        for schema in expanded.schemas:
            names |= dict.fromkeys(schema.texts("required"), True)
        return names

    def _member(self, expanded: Expanded, name: str, is_required: bool) -> Member | None:
        """A declared property; None where it may be absent and cannot be written."""
        where = next((schema for schema in expanded.schemas if schema.has("properties")), expanded.schemas[0])
        key = self._dialect.key(name) if _is_text(name) else None
        fits_names = all(satisfies(self._root, each, name) for each in _name_schemas(expanded))
        if is_required and (key is None or not fits_names):
            raise where.error(f'the required property "{name}" cannot be written')
        if key is None or not fits_names:
            return None
        node = Node.of(each for schema in expanded.schemas for each in member_schemas(schema, name))
        if is_required and any(schema.value is False for schema in node.schemas):
            raise contradiction(where, f'the required property "{name}" is not allowed')
        return Member(key, self._refer_to(node), is_required)

    def _further(self, expanded: Expanded, names: Sequence[str]) -> Reference | None:
        """Any one member that is not declared; None where there is none."""
        first = expanded.schemas[0]
        try:
            pairs = list(self._further_members(expanded, names))
        except TooComplex:
            raise first.error("the names of its properties are too complex") from None
        alternatives = [
            (self._dialect.keys(language), *self._dialect.colon, self._refer_to(node)) for language, node in pairs
        ]
        return self._rules.define("member", alternatives) if alternatives else None

    def _further_members(self, expanded: Expanded, names: Sequence[str]) -> Iterator[tuple[Automaton, Node]]:
        """The languages of names that are not declared, apart from one another, and what their values are."""
        free = self._free_names(expanded, names)
        patterns = _patterns(expanded)
        for text, (schema, language) in patterns.items():
            own = intersect(free, language)
            if any(not intersect(own, other).is_empty for key, (_, other) in patterns.items() if key != text):
                raise schema.error("patterns of which several fit one name are not supported", "patternProperties")
            if not own.is_empty:
                yield own, Node.of(each for other in expanded.schemas for each in _pattern_schemas(other, text))
        further = [each for schema in expanded.schemas for each in further_schemas(schema)]
        is_closed = bool(names or patterns) or any(expanded.having("properties"))
        if further or not is_closed:
            for _, language in patterns.values():
                free = intersect(free, complement(language))
            if not free.is_empty and not any(each.value is False for each in further):
                yield free, Node.of(further)

    def _free_names(self, expanded: Expanded, names: Sequence[str]) -> Automaton:
        free = complement(of_words(names)) if names else anything()
        for schema in _name_schemas(expanded):
            free = intersect(free, self._language(schema))
        return free

    def _language(self, schema: Schema) -> Automaton:
        """The strings of a schema for names."""
        expanded = expand(self._root, Node.of([schema]))
        if expanded.group is not None:
            raise schema.error("anyOf and oneOf are not supported for names")
        bounds = read_strings(expanded.schemas)
        language = within(bounds.language, bounds.least, bounds.most)
        for each in expanded.schemas:
            listed = each.items("enum") if each.has("enum") else [each.members["const"]] if each.has("const") else None
            if listed is not None:
                language = intersect(language, of_words(word for word in listed if isinstance(word, str)))
        return language


def _name_schemas(expanded: Expanded) -> Iterator[Schema]:
    return (schema.schema("propertyNames") for schema in expanded.having("propertyNames"))


def _patterns(expanded: Expanded) -> dict[str, tuple[Schema, Automaton]]:
    return {
        text: (schema, read_pattern(schema, text, "patternProperties", text))
        for schema in expanded.schemas
        for text in schema.named("patternProperties")
    }


def _pattern_schemas(schema: Schema, text: str) -> list[Schema]:
    """The schemas of names that fit one pattern, and no other."""
    own = schema.named("patternProperties").get(text)
    return further_schemas(schema) if own is None else [own]


def _is_text(name: str) -> bool:
    """Whether UTF-8 can carry it, so that it holds no half of a surrogate pair."""
    return not any(0xD800 <= ord(character) <= 0xDFFF for character in name)
