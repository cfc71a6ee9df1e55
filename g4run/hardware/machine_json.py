"""A machine as JSON, as `g4run hardware --json` prints it, and back."""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from g4run.errors import UsageError
from g4run.hardware.machine import Machine

_HINT: Final = "g4run hardware --json prints a whole machine"
_REQUIRED: Final = re.compile(r"Object missing required field `(\w+)`")


def machine_value(machine: Machine) -> dict[str, object]:
    """Return the machine's fields, and two derived ones: `processors.threads` and `memory.usable_bytes`."""
    value = _fields(machine)
    value["processors"]["threads"] = machine.processors.threads
    value["memory"]["usable_bytes"] = machine.memory.usable_bytes
    return dict(value)


def parse_machine(value: object) -> Machine:
    """Convert a JSON value; unknown fields are ignored. Raises UsageError, which names the wrong field."""
    try:
        machine = msgspec.convert(value, Machine)
    except msgspec.ValidationError as error:
        raise UsageError(_explain(str(error)), _HINT) from None
    for missing in _missing_fields(_fields(machine), value, ""):
        raise UsageError(f"the machine lacks {missing}", _HINT)
    return machine


def _fields(machine: Machine) -> dict[str, dict[str, object]]:
    """Return the fields but for the assumptions, which no real machine has."""
    return {name: value for name, value in msgspec.to_builtins(machine).items() if name != "assumptions"}


def _explain(message: str) -> str:
    """Put the place first in msgspec's "Expected `int`, got `str` - at `$.gpus[0].free_bytes`"."""
    reason, _, place = message.partition(" - at `$")
    place = place.rstrip("`").lstrip(".")
    if required := _REQUIRED.fullmatch(reason):
        return f"the machine lacks {_join(place, required[1])}"
    return f"{place or 'the machine'}: {reason[:1].lower()}{reason[1:]}"


def _missing_fields(wanted: object, value: object, place: str) -> Iterator[str]:
    """Yield the missing fields that have a default: a machine without its GPUs would be another machine."""
    if isinstance(wanted, dict) and isinstance(value, dict):
        yield from (_join(place, name) for name in wanted if name not in value)
        for name in wanted:
            yield from _missing_fields(wanted[name], value.get(name), _join(place, name))
    elif isinstance(wanted, tuple) and isinstance(value, list):
        for index, pair in enumerate(zip(wanted, value, strict=True)):
            yield from _missing_fields(*pair, f"{place}[{index}]")


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
