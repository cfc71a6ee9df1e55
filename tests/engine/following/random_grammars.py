"""Random grammars over a few characters, of every part that GBNF has but tokens."""

from hypothesis import strategies as st

_LITERALS = ["a", "b", "ab", "é", "aé日", "ba", '\\"', "\\n"]
_CLASSES = ["[a-c]", "[é-ü]", "[日b]", "[a😀]", "[\\x00-a]", "[\\uD800-\\uE000]", "[b\\-]"]
_OPEN_CLASSES = ["[^a]", "[^é]", "[^\\x00-\\u07ff]", "."]
_TIMES = ["*", "+", "?", "{2}", "{0,3}", "{1,2}", "{2,}", "{0,2000}"]
_NAMES = ["root", "one", "two", "three"]


@st.composite
def grammars(draw: st.DrawFn, *, is_small: bool = False) -> str:
    """Texts of grammars without left recursion, most of them sound. Small ones have few and short texts."""
    return "".join(f"{name} ::= {draw(_bodies(place, is_small=is_small))}\n" for place, name in enumerate(_NAMES))


def _bodies(place: int, *, is_small: bool) -> st.SearchStrategy[str]:
    classes = ["[ab]", "[bc]"] if is_small else _CLASSES + _OPEN_CLASSES
    times = ["?", "{0,1}", "{2}", "{1,2}", "{0,3}", "*", "{1,}"] if is_small else _TIMES
    recursive = [f'("c" {name})' for name in _NAMES[: place + 1]]
    parts = st.recursive(
        st.sampled_from([f'"{each}"' for each in _LITERALS] + classes + _NAMES[place + 1 :] + recursive),
        lambda inner: (
            st.tuples(inner, st.sampled_from(times)).map("".join)
            | st.lists(inner, min_size=1, max_size=3).map(" ".join).map(lambda each: f"({each})")
            | st.lists(inner, min_size=2, max_size=3).map(" | ".join).map(lambda each: f"({each} | )")
        ),
        max_leaves=4,
    )
    return st.lists(st.lists(parts, max_size=3).map(" ".join), min_size=1, max_size=3).map(" | ".join)
