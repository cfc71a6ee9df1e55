"""Convert dataclasses to JSON."""

from typing import Any

import msgspec


def json_value(value: object) -> Any:
    """Return a dataclass as a JSON object, or several as an array; paths become text."""
    return msgspec.to_builtins(value, enc_hook=str)
