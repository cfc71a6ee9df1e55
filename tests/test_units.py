"""Amounts of memory as people type them."""

import pytest

from g4run.cli.arguments.machine import parse_memory
from g4run.errors import UsageError
from g4run.units import parse_bytes


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("12GB", 12 * 10**9),
        ("12 GiB", 12 * 2**30),
        ("12g", 12 * 10**9),
        ("1.5tb", 15 * 10**11),
        ("512MiB", 512 << 20),
        ("64k", 64_000),
    ],
)
def test_amounts_of_memory(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "12", "GB", "-1GB", "1e3GB", "12 XB", "0GB", "9999999TB", "１２GB", "12GB GB"])
def test_what_is_no_amount_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not an amount of memory: "):
        parse_bytes(text)
    with pytest.raises(UsageError, match=r"^--ram must be an amount of memory, not ") as caught:
        parse_memory("--ram", text)
    assert caught.value.hint == "--ram 12GB"
