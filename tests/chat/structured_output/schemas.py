"""Random JSON schemas of the keywords that grammars can hold."""

from fractions import Fraction

from hypothesis import strategies as st

from g4run.chat.messages import JsonValue

Keywords = dict[str, JsonValue]
NAMES = st.sampled_from(["a", "b", "name", "zip code", "größe", "a/b~c", "type", "a.b-c", "x,y", 'q"t'])
PATTERNS = [
    "^[a-z]{2,4}$",
    "^(foo|bar)+",
    "[0-9]{3}-[0-9]",
    r"^\+?[1-9][0-9]{1,14}$",
    "^$",
    '^[^a-c"]*$',
    "end$",
    r"^\u00e9|\x41",
    "^a|b$",
    "^<[|]",
]
FORMATS = ["date", "date-time", "time", "uuid", "email", "ipv4", "ipv6", "hostname", "uri", "duration"]


def strings() -> st.SearchStrategy[Keywords]:
    least = st.integers(0, 5).map(lambda count: _keywords(minLength=count))
    patterns = st.sampled_from(PATTERNS).map(lambda text: _keywords(pattern=text))
    formats = st.sampled_from(FORMATS).map(lambda name: _keywords(format=name))
    return st.one_of(
        _of_type("string", st.just({}) | _spans("minLength", "maxLength", 6, 40) | least),
        _of_type("string", patterns | formats),
    )


def numbers() -> st.SearchStrategy[Keywords]:
    bounds = st.integers(-2000, 2000) | st.integers(-(10**18), 10**18)
    spans = st.tuples(bounds, st.integers(0, 5000)).map(
        lambda pair: _keywords(minimum=pair[0], maximum=pair[0] + pair[1])
    )
    keywords = st.sampled_from(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"])
    sides = st.tuples(keywords, bounds).map(lambda pair: _keywords(**{pair[0]: pair[1]}))
    units = st.tuples(sides, st.integers(1, 12)).map(lambda pair: pair[0] | _keywords(multipleOf=pair[1]))
    decimals = st.tuples(st.integers(-(10**5), 10**5), st.integers(1, 10**4), st.booleans()).map(_decimals)
    free: st.SearchStrategy[Keywords] = st.just({})
    return _of_type("integer", free | spans | sides | units) | _of_type("number", free | sides | decimals)


def _keywords(**members: JsonValue) -> Keywords:
    return members


def _of_type(name: str, others: st.SearchStrategy[Keywords]) -> st.SearchStrategy[Keywords]:
    return others.map(lambda keywords: _keywords(type=name) | keywords)


def _spans(least: str, most: str, first: int, further: int) -> st.SearchStrategy[Keywords]:
    return st.tuples(st.integers(0, first), st.integers(0, further)).map(
        lambda pair: _keywords(**{least: pair[0], most: pair[0] + pair[1]})
    )


def _decimals(parts: tuple[int, int, bool]) -> Keywords:
    low, width, excludes = parts
    start, end = float(Fraction(low, 1000)), float(Fraction(low + width, 1000))
    return {"exclusiveMinimum": start, "maximum": end} if excludes else {"minimum": start, "exclusiveMaximum": end}


def constants() -> st.SearchStrategy[Keywords]:
    scalars = st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=4) | st.sampled_from([0.5, 1e-7, 1.0])
    values = st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2), max_leaves=4
    )
    listed = st.lists(values, min_size=1, max_size=5).map(lambda each: _keywords(enum=each))
    return listed | values.map(lambda each: _keywords(const=each))


def _objects(inner: st.SearchStrategy[JsonValue]) -> st.SearchStrategy[Keywords]:
    @st.composite
    def build(draw: st.DrawFn) -> Keywords:
        properties = draw(st.dictionaries(NAMES, inner, max_size=4))
        schema: dict[str, JsonValue] = {"type": "object", "properties": properties}
        if properties:
            schema["required"] = draw(st.lists(st.sampled_from(list(properties)), unique=True))
        if draw(st.booleans()):
            schema["additionalProperties"] = draw(st.booleans() | inner)
        if draw(st.integers(0, 4)) == 0:
            schema["maxProperties"] = draw(st.integers(len(schema.get("required", [])), 5))  # type: ignore[arg-type]
        if draw(st.integers(0, 4)) == 0:
            schema["patternProperties"] = (
                {"^x_": draw(inner), "_n$": draw(inner)} if draw(st.booleans()) else {"^[k-m]+$": draw(inner)}
            )
        return schema

    return build()


def _arrays(inner: st.SearchStrategy[JsonValue]) -> st.SearchStrategy[Keywords]:
    free: st.SearchStrategy[Keywords] = st.just({})
    plain = st.tuples(inner, free | _spans("minItems", "maxItems", 3, 3)).map(
        lambda pair: _keywords(type="array", items=pair[0]) | pair[1]
    )
    tuples = st.tuples(st.lists(inner, min_size=1, max_size=3), inner | st.booleans()).map(
        lambda pair: _keywords(type="array", prefixItems=pair[0], items=pair[1])
    )
    return plain | tuples


def schemas() -> st.SearchStrategy[JsonValue]:
    """Schemas that are satisfiable, mostly; recursion is in tests of its own."""
    plain = st.sampled_from([{"type": "null"}, {"type": "boolean"}, {"type": ["string", "null"]}, {}, True])
    leaves: st.SearchStrategy[JsonValue] = st.one_of(strings(), numbers(), constants(), plain)
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            _objects(inner),
            _arrays(inner),
            st.lists(inner, min_size=1, max_size=3).map(lambda each: {"anyOf": each}),
            st.tuples(_objects(inner), _objects(inner)).map(lambda each: {"allOf": list(each)}),
        ),
        max_leaves=6,
    )
