"""Check option values; each function raises UsageError with a valid example."""

from enum import StrEnum
from typing import TypeVar

from g4run.errors import UsageError
from g4run.kv_types import KvType
from g4run.units import parse_tokens

Choice = TypeVar("Choice", bound=StrEnum)

_MAX_PORT = 65_535


def check_within(option: str, value: int | None, minimum: int, maximum: int, example: int) -> int | None:
    """Check that a number, if given, is in a range."""
    if value is not None and not minimum <= value <= maximum:
        raise UsageError(f"{option} must be between {minimum} and {maximum}, not {value}", f"{option} {example}")
    return value


def parse_context(text: str) -> int:
    """Parse a context length: 8192, 8k."""
    try:
        return parse_tokens(text)
    except ValueError:
        raise UsageError(f"--ctx must be a number of tokens, not {text!r}", "--ctx 8k") from None


def parse_choice(option: str, text: str, choices: type[Choice]) -> Choice:
    """Parse one of several words, ignoring case."""
    names = tuple(choices)
    if text.lower() not in names:
        raise UsageError(f"{option} must be one of {', '.join(names)}, not {text!r}", f"{option} {names[0]}")
    return choices(text.lower())


def parse_kv_type(text: str | None) -> KvType | None:
    """Parse the type of the KV cache, if given."""
    return None if text is None else parse_choice("--kv", text, KvType)


def parse_servers(text: str | None) -> tuple[str, ...]:
    """Parse the addresses of RPC servers, if given: HOST:PORT, separated by commas."""
    servers = tuple(dict.fromkeys(part.strip() for part in (text or "").split(",") if part.strip()))
    for server in servers:
        host, _, port = server.rpartition(":")
        if not host or ":" in host or not port.isdecimal() or not 1 <= int(port) <= _MAX_PORT:
            raise UsageError(
                f"--rpc must be HOST:PORT, or several with commas, not {server!r}", "--rpc 192.168.1.5:50052"
            )
    if text is not None and not servers:
        raise UsageError("--rpc must not be empty", "omit --rpc to use this machine alone")
    return servers
