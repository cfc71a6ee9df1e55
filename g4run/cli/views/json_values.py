"""Convert values to JSON."""

import json
from typing import Any

import msgspec


def json_value(value: object) -> Any:
    """Return a dataclass or a struct as a JSON object, or several as an array; paths become text, and tuples lists."""
    return json.loads(json.dumps(msgspec.to_builtins(value, enc_hook=str)))
