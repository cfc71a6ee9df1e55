"""Render plain tables, aligned by display width and cut to the terminal's width."""

import shutil
import textwrap
import unicodedata
from collections.abc import Sequence
from typing import Final, NamedTuple

from g4run.cli.output import Stream

_GAP: Final = "  "
_CUT: Final = "…"
_MIN_COLUMN_WIDTH: Final = 12  # of a column that shrinks
_USUAL_WIDTH: Final = 80


class Column(NamedTuple):
    """A column's heading, alignment, and whether it shrinks when the line is too long."""

    title: str
    is_number: bool = False
    shrinks: bool = False


def line_width(stream: Stream) -> int | None:
    """Return the terminal's width; None for a pipe or a file, where nothing is cut."""
    if not stream.is_terminal:
        return None
    return max(20, shutil.get_terminal_size((_USUAL_WIDTH, 24)).columns)


def render_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None) -> str:
    """Render headings and rows, with lines of at most `width`, if given."""
    return render_rows(columns, [[column.title for column in columns], *rows], width)


def render_rows(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None) -> str:
    """Render rows without headings."""
    lines = [[_one_line(cell) for cell in row] for row in rows]
    widths = [max((display_width(line[index]) for line in lines), default=0) for index in range(len(columns))]
    if width is not None:
        widths = _narrowed(columns, widths, width)
    return "".join(_render_line(columns, widths, line, width) for line in lines)


def render_pairs(pairs: Sequence[tuple[str, str]], indent: str = "  ") -> str:
    """Render names and values, one pair a line, with aligned values."""
    longest = max((display_width(name) for name, _ in pairs), default=0)
    return "".join(f"{indent}{pad(name, longest)}  {_one_line(value)}".rstrip() + "\n" for name, value in pairs)


def render_paragraph(text: str, width: int | None, indent: str = "") -> str:
    """Wrap text to `width`, if given, without breaking words; indent all lines but the first."""
    if width is None:
        return text + "\n"
    filled = textwrap.fill(text, width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)
    return filled + "\n"


def capitalize(text: str) -> str:
    """Capitalize the first letter and keep the rest."""
    return text[:1].upper() + text[1:]


def short_commit(commit: str) -> str:
    """Return the first eight digits of a commit."""
    return commit[:8]


def display_width(text: str) -> int:
    """Count a text's terminal columns: two for a wide character, none for a combining one."""
    return len(text) if text.isascii() else sum(_character_width(character) for character in text)


def cut_middle(text: str, width: int) -> str:
    """Shorten a text to a width by cutting its middle, since names differ at both ends."""
    if display_width(text) <= width:
        return text
    if width <= 1:
        return _CUT[:width]
    tail = _fit_start(text[::-1], (width - 1) // 2)[::-1]
    return _fit_start(text, width - 1 - display_width(tail)) + _CUT + tail


def pad(text: str, width: int, *, to_right: bool = False) -> str:
    """Pad a text with spaces to a display width."""
    blanks = " " * max(0, width - display_width(text))
    return blanks + text if to_right else text + blanks


def _one_line(text: str) -> str:
    return " ".join(text.split()) if any(mark in text for mark in "\n\r\t") else text


def _character_width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _fit_start(text: str, width: int) -> str:
    """Return the longest beginning that fits."""
    taken = 0
    for index, character in enumerate(text):
        taken += _character_width(character)
        if taken > width:
            return text[:index]
    return text


def _narrowed(columns: Sequence[Column], widths: list[int], width: int) -> list[int]:
    """Shrink the widest columns that may shrink, until the line fits."""
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - width
    narrowed = list(widths)
    while excess > 0:
        wide = [i for i, column in enumerate(columns) if column.shrinks and narrowed[i] > _MIN_COLUMN_WIDTH]
        if not wide:
            break
        narrowed[max(wide, key=lambda index: narrowed[index])] -= 1
        excess -= 1
    return narrowed


def _render_line(columns: Sequence[Column], widths: Sequence[int], cells: Sequence[str], width: int | None) -> str:
    padded = (
        pad(cut_middle(cell, room), room, to_right=column.is_number)
        for column, room, cell in zip(columns, widths, cells, strict=True)
    )
    line = _GAP.join(padded).rstrip()
    return (line if width is None or display_width(line) <= width else _fit_start(line, width - 1) + _CUT) + "\n"
