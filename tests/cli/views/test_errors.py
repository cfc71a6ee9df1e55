"""The mark below the invalid part of the input."""

import pytest

from g4run.cli.views.errors import render_pointer
from g4run.cli.views.tables import display_width
from g4run.errors import Pointer


@pytest.mark.parametrize(
    ("text", "start", "end", "shown"),
    [
        ("gemma4:26c", 7, 10, "    gemma4:26c\n           ^^^\n"),
        ("hf.co/a", 7, 7, "    hf.co/a\n           ^\n"),
        ("gemma4:26b-日本", 11, 13, "    gemma4:26b-日本\n               ^^^^\n"),
        ("日本/x:9", 5, 6, "    日本/x:9\n           ^\n"),
        ("e\u0301:9", 3, 4, "    e\u0301:9\n      ^\n"),
        ("a\tb\nc\x1b[2J", 4, 5, "    a\ufffdb\ufffdc\ufffd[2J\n        ^\n"),
        ("abc", 9, 12, "    abc\n       ^\n"),
    ],
)
def test_the_mark_is_below_the_invalid_characters(text: str, start: int, end: int, shown: str) -> None:
    assert render_pointer(Pointer(text, start, end), None) == shown


@pytest.mark.parametrize("width", [20, 50, 80])
@pytest.mark.parametrize("start", [0, 40, 95, 99])
@pytest.mark.parametrize("letter", ["x", "日"])
def test_a_long_text_is_cut_around_the_mark(width: int, start: int, letter: str) -> None:
    text = f"{letter * start}Q{letter * (99 - start)}"
    above, below = render_pointer(Pointer(text, start, start + 1), width).splitlines()
    assert max(display_width(above), display_width(below)) <= width
    column = len(below) - 1
    assert next(index for index in range(len(above)) if display_width(above[:index]) == column) == above.index("Q")


def test_a_long_mark_ends_with_the_line() -> None:
    above, below = render_pointer(Pointer("gemma4:" + "y" * 100, 7, 107), 50).splitlines()
    assert above.strip().endswith("y…")
    assert below == " " * above.index("y") + "^" * above.count("y")
    assert len(above) <= 50
