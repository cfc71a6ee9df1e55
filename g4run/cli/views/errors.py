"""Failures as text, with a mark below the place in the input that they are about, and as JSON."""

from dataclasses import asdict

from g4run.cli.views.tables import display_width
from g4run.errors import G4RunError, Pointer

_INDENT = "    "
_CUT = "…"
_LEAST_WIDTH = 12  # columns; a window that is smaller shows nothing


def render_error(error: G4RunError, width: int | None = None) -> str:
    """Write a failure as one sentence, the place it is about with a mark below, and the hint on a line of its own."""
    hint = f"Hint: {error.hint}\n" if error.hint else ""
    place = render_pointer(error.pointer, width) if error.pointer else ""
    return f"Error: {error.message}\n{place}{hint}"


def error_value(error: G4RunError) -> dict[str, object]:
    """Give a failure as the object that stands in the answer's place."""
    value: dict[str, object] = {"code": error.code, "message": error.message, "hint": error.hint}
    if error.pointer is not None:
        value["pointer"] = asdict(error.pointer)
    return {"error": value}


def render_pointer(pointer: Pointer, width: int | None) -> str:
    """Both lines; of a text that is longer than `width` columns, if given, what lies around the mark."""
    text = "".join(character if character.isprintable() else "\ufffd" for character in pointer.text)
    start, end = min(pointer.start, len(text)), min(pointer.end, len(text))
    first, last = _window(text, start, None if width is None else max(_LEAST_WIDTH, width - len(_INDENT)))
    before = (_CUT if first else "") + text[first:start]
    marked, after = text[start : min(end, last)], text[max(start, min(end, last)) : last]
    shown = before + marked + after + (_CUT if last < len(text) else "")
    mark = "^" * max(1, display_width(marked))
    return f"{_INDENT}{shown}\n{_INDENT}{' ' * display_width(before)}{mark}\n"


def _window(text: str, start: int, width: int | None) -> tuple[int, int]:
    """From where to where a text is shown: all, or as much as has room with both cuts, the mark's beginning in it."""
    if width is None or display_width(text) <= width:
        return 0, len(text)
    room, first = width - 2 * len(_CUT), start
    while first > 0 and display_width(text[first - 1 : start]) <= room // 2:
        first -= 1
    last = first
    while last < len(text) and display_width(text[first : last + 1]) <= room:
        last += 1
    return first, last
