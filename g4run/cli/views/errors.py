"""Render errors as text, with a mark below the input at fault, and as JSON."""

from g4run.cli.views.tables import display_width
from g4run.errors import G4RunError, Pointer

_INDENT = "    "
_CUT = "…"
_MIN_WIDTH = 12  # columns; a narrower window shows too little


def render_error(error: G4RunError, width: int | None = None) -> str:
    """Return the message, the marked input if any, and the hint on its own line."""
    hint = f"Hint: {error.hint}\n" if error.hint else ""
    place = render_pointer(error.pointer, width) if error.pointer else ""
    return f"Error: {error.message}\n{place}{hint}"


def error_value(error: G4RunError) -> dict[str, object]:
    """Return an error as the JSON printed in place of the answer."""
    value: dict[str, object] = {"code": error.code, "message": error.message, "hint": error.hint}
    if error.pointer is not None:
        value["pointer"] = error.pointer._asdict()
    return {"error": value}


def render_pointer(pointer: Pointer, width: int | None) -> str:
    """Return the text and its mark on two lines; if longer than `width` columns, only the part around the mark."""
    text = "".join(character if character.isprintable() else "\ufffd" for character in pointer.text)
    start, end = min(pointer.start, len(text)), min(pointer.end, len(text))
    first, last = _window(text, start, None if width is None else max(_MIN_WIDTH, width - len(_INDENT)))
    before = (_CUT if first else "") + text[first:start]
    marked, after = text[start : min(end, last)], text[max(start, min(end, last)) : last]
    shown = before + marked + after + (_CUT if last < len(text) else "")
    mark = "^" * max(1, display_width(marked))
    return f"{_INDENT}{shown}\n{_INDENT}{' ' * display_width(before)}{mark}\n"


def _window(text: str, start: int, width: int | None) -> tuple[int, int]:
    """Return the range of the text to show: all, or what fits between two ellipses around the mark's start."""
    if width is None or display_width(text) <= width:
        return 0, len(text)
    room, first = width - 2 * len(_CUT), start
    while first > 0 and display_width(text[first - 1 : start]) <= room // 2:
        first -= 1
    last = first
    while last < len(text) and display_width(text[first : last + 1]) <= room:
        last += 1
    return first, last
