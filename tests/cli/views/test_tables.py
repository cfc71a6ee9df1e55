import pytest

from g4run.cli.views.tables import Column, cut_middle, display_width, line_width, render_pairs, render_table
from tests.fakes.streams import RecordedOutput

COLUMNS = (Column("NAME", shrinks=True), Column("SIZE", is_number=True), Column("MODIFIED"))
ROWS = (("gemma4:26b", "15.0 GB", "3 days ago"), ("demo", "950.1 kB", ""))


def test_columns_are_aligned_and_numbers_to_the_right() -> None:
    assert render_table(COLUMNS, ROWS, None) == (
        "NAME            SIZE  MODIFIED\ngemma4:26b   15.0 GB  3 days ago\ndemo        950.1 kB\n"
    )


def test_a_table_without_rows_is_its_headings() -> None:
    assert render_table(COLUMNS, (), 80) == "NAME  SIZE  MODIFIED\n"


def test_a_shrinking_column_loses_its_middle() -> None:
    rows = (("hf.co/unsloth/gemma-4-26B-A4B-it-GGUF:UD-Q4_K_XL", "15.0 GB", "3 days ago"),)
    assert render_table(COLUMNS, rows, 40) == (
        "NAME                    SIZE  MODIFIED\nhf.co/uns…D-Q4_K_XL  15.0 GB  3 days ago\n"
    )


def test_no_line_is_longer_than_the_terminal() -> None:
    assert render_table(COLUMNS, ROWS, 20) == "NAME            SIZ…\ngemma4:26b   15.0 G…\ndemo        950.1 kB\n"


def test_a_pipe_gets_whole_names() -> None:
    name = "hf.co/" + "x" * 200
    assert name in render_table(COLUMNS, ((name, "1 B", "now"),), None)


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 3), ("模型", 4), ("e\u0301", 1), ("≈ 3", 3), ("\u200bx", 1), ("🙂", 2)]
)
def test_the_display_width_counts_terminal_columns(text: str, width: int) -> None:
    assert display_width(text) == width


def test_wide_characters_keep_the_columns_aligned() -> None:
    rows = (("模型", "1 B", "x"), ("abcd", "2 B", "y"))
    assert render_table(COLUMNS, rows, None) == "NAME  SIZE  MODIFIED\n模型   1 B  x\nabcd   2 B  y\n"


@pytest.mark.parametrize(
    ("text", "width", "cut"),
    [
        ("gemma4:26b", 10, "gemma4:26b"),
        ("gemma4:26b-q5_k_m", 9, "gemm…_k_m"),
        ("模型模型模型", 7, "模型…型"),
        ("abcdef", 1, "…"),
        ("abcdef", 2, "a…"),
        ("abcdef", 0, ""),
    ],
)
def test_a_name_is_cut_in_its_middle(text: str, width: int, cut: str) -> None:
    assert cut_middle(text, width) == cut
    assert display_width(cut) <= width


def test_a_cell_stays_on_one_line() -> None:
    assert render_table((Column("A"),), (("b\n  c",),), None) == "A\nb c\n"
    assert render_pairs((("a", "b\n\tc"), ("long", ""))) == "  a     b c\n  long\n"


def test_only_a_terminal_has_a_width() -> None:
    assert line_width(RecordedOutput().answer) is None
    assert line_width(RecordedOutput(terminal=True).answer) is not None
