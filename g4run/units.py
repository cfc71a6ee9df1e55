"""Format bytes, counts, durations and speeds, and parse sizes and counts. GB is 10^9 bytes, GiB is 2^30."""

import re

_MOST_BYTES = 2**50
_MOST_BARE = 4096


def render_bytes(size_bytes: float) -> str:
    """Render a size in decimal units, as file managers and the Hub do: 3106738272 -> '3.1 GB'."""
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes:.0f} B"


def render_seconds(seconds: float) -> str:
    """Render a duration in a suitable unit: 0.13 -> '130ms', 4.2 -> '4.20s', 75 -> '1m15s'."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 60:
        return f"{seconds:.2f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02d}s"


def render_count(count: int) -> str:
    """Render a count with thousands separators: 131072 -> '131,072'."""
    return f"{count:,}"


def render_plural(count: int, noun: str) -> str:
    """Render a count of things: '1 file', '3 files'."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def render_rate(tokens_per_second: float) -> str:
    """Render a speed with two decimals: 20.128 -> '20.13 tokens/s'."""
    return f"{tokens_per_second:.2f} tokens/s"


def parse_bytes(text: str) -> int:
    """Parse an amount of memory: 12 and 12GB (10^9), 12GiB (2^30), 512MB, 1.5TB. Raises ValueError.

    A bare number means GB, below 4096: more is likely to be meant as MB.
    """
    match = re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*(?:([kmgt])(i?)b?)?\s*", text, re.IGNORECASE | re.ASCII)
    size = 0.0
    if match is not None and (match[2] or float(match[1]) < _MOST_BARE):
        size = float(match[1]) * (1024 if match[3] else 1000) ** ("kmgt".index((match[2] or "g").lower()) + 1)
    if not 1 <= size <= _MOST_BYTES:
        raise ValueError(f"not an amount of memory: {text!r}")
    return int(size)


def parse_tokens(text: str) -> int:
    """Parse a number of tokens: 8192, 8k and 128K (of 1,024), 131,072. Raises ValueError."""
    match = re.fullmatch(r"\s*(-?\d{1,3}(?:,\d{3})+|-?\d{1,15})\s*([km]?)\s*", text, re.IGNORECASE | re.ASCII)
    if match is None:
        raise ValueError(f"not a number of tokens: {text!r}")
    return int(match[1].replace(",", "")) * {"": 1, "k": 2**10, "m": 2**20}[match[2].lower()]
