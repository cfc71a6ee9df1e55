import pytest

from g4run.cli.repl.blocks import is_open, read_messages, unquote


@pytest.mark.parametrize(
    ("lines", "messages"),
    [
        ("", []),
        ("one\ntwo\n", ["one", "two"]),
        ("no newline at the end", ["no newline at the end"]),
        ("\none\n", ["", "one"]),
        ('"""\none\n\ntwo\n"""\nthree\n', ["one\n\ntwo", "three"]),
        ('"""one\ntwo"""\nthree\n', ["one\ntwo", "three"]),
        ('"""one"""\ntwo\n', ["one", "two"]),
        ('""""""\none\n', ["", "one"]),
        ('"""\n"""\none\n', ["", "one"]),
        ('a """ inside\nb\n', ['a """ inside', "b"]),
        ('"""\n/bye\n"""\n', ["/bye"]),
        ('"""\nnever closed\n', ["never closed"]),
        ('"""\n', [""]),
        ('  """ \none\n """ \n', ["one"]),
        ('"""\r\none\r\n"""\r\n', ["one"]),
    ],
)
def test_lines_become_messages(lines: str, messages: list[str]) -> None:
    assert [unquote(message) for message in read_messages(lines.splitlines(keepends=True))] == messages


def test_a_message_is_open_until_the_quotes_end_a_line() -> None:
    text = '"""\ndef f():\n  "doc"\n"""'
    assert [is_open(text[:length]) for length in range(len(text) + 1)] == [False] * 3 + [True] * (len(text) - 3) + [
        False
    ]
