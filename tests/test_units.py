"""Amounts of memory and context lengths as people type them."""

import pytest

from g4run.cli.arguments.checks import parse_context
from g4run.cli.arguments.machine import parse_memory
from g4run.errors import UsageError
from g4run.units import parse_bytes, parse_tokens


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("12GB", 12 * 10**9),
        ("12 GiB", 12 * 2**30),
        ("12g", 12 * 10**9),
        ("1.5tb", 15 * 10**11),
        ("512MiB", 512 << 20),
        ("64k", 64_000),
        ("12", 12 * 10**9),
        (" 7.5 ", 75 * 10**8),
        ("12G", 12 * 10**9),
        ("24 Gib", 24 * 2**30),
    ],
)
def test_amounts_of_memory(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    "text", ["", "16384", "GB", "-1GB", "1e3GB", "12 XB", "0GB", "9999999TB", "１２GB", "12GB GB", "12i", "12ib"]
)
def test_what_is_no_amount_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not an amount of memory: "):
        parse_bytes(text)
    with pytest.raises(UsageError, match=r"^--ram must be an amount of memory, not ") as caught:
        parse_memory("--ram", text)
    assert caught.value.hint == "--ram 12GB"


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("8192", 8192),
        ("8k", 8192),
        ("128K", 131_072),
        ("1m", 1 << 20),
        ("131,072", 131_072),
        ("-1", -1),
        (" 2 k ", 2048),
    ],
)
def test_context_lengths(text: str, tokens: int) -> None:
    assert parse_tokens(text) == tokens


@pytest.mark.parametrize("text", ["", "k", "8kb", "8.5.1k", "8g", "1,02", "٣", "8k8"])
def test_what_is_no_context_length_is_said(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--ctx must be a number of tokens, not ") as caught:
        parse_context(text)
    assert caught.value.hint == "--ctx 8k"
