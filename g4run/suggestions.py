"""What a mistyped name may have meant, and the hint that says so."""

import difflib
from collections.abc import Iterable

MAX_SUGGESTIONS = 3
_MIN_SIMILARITY = 0.6


def find_similar(typed: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return up to three known names that look like the typed one, in any case; the most similar first."""
    spelled = {name.lower(): name for name in known}
    near = difflib.get_close_matches(typed.lower(), spelled, MAX_SUGGESTIONS, _MIN_SIMILARITY)
    return tuple(spelled[name] for name in near)


def similarity(typed: str, known: str) -> float:
    """Return how alike two names are in any case, from 0 to 1."""
    return difflib.SequenceMatcher(None, typed.lower(), known.lower()).ratio()


def did_you_mean(names: Iterable[str], otherwise: str = "") -> str:
    """Return the hint that offers names; `otherwise` where there is none to offer."""
    listed = " or ".join(names)
    return f"did you mean {listed}?" if listed else otherwise
