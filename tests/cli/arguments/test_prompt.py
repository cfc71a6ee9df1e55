import io
import json
import sys
from pathlib import Path

import pytest

from g4run.chat.messages import Conversation, Message, Role, Tool
from g4run.cli.arguments import prompt as given
from g4run.cli.arguments.prompt import parse_messages_file, read_conversation
from g4run.errors import UsageError
from tests.fakes.streams import TerminalText


def pipe_in(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def sit_at_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", TerminalText())


def question(text: str) -> Conversation:
    return Conversation((Message.of(Role.USER, text),))


def test_words_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    sit_at_terminal(monkeypatch)
    assert read_conversation("demo", ["Who", "are you?"], None, None) == question("Who are you?")


def test_piped_text_goes_before_typed_text(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe_in(monkeypatch, "\ufeffline 1\r\nline 2 ä\n\n".encode())
    assert read_conversation("demo", ["Sum", "up:"], None, None) == question("line 1\nline 2 ä\n\nSum up:")


@pytest.mark.parametrize(
    ("piped", "words", "prompt"),
    [
        (b"only piped\n", [], "only piped"),
        (b"", ["typed"], "typed"),
        (b" \n", ["typed"], "typed"),
        (b"a\xff", [], "a\ufffd"),
    ],
)
def test_piped_or_typed_text_alone_is_enough(
    monkeypatch: pytest.MonkeyPatch, piped: bytes, words: list[str], prompt: str
) -> None:
    pipe_in(monkeypatch, piped)
    assert read_conversation("demo", words, None, None) == question(prompt)


def test_bytes_that_are_not_text_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    sit_at_terminal(monkeypatch)
    assert read_conversation("demo", ["a\udcffb"], None, "s\udcff") == Conversation(
        (Message.of(Role.SYSTEM, "s\ufffd"), Message.of(Role.USER, "a\ufffdb"))
    )


def test_without_a_prompt_the_hint_names_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    sit_at_terminal(monkeypatch)
    with pytest.raises(UsageError) as caught:
        read_conversation("my model.gguf", [], None, None)
    assert caught.value.message == "no prompt was given"
    assert caught.value.hint == "g4run run 'my model.gguf' \"your prompt\", or g4run chat 'my model.gguf'"


@pytest.mark.parametrize(("piped", "words"), [(b"", []), (b" \n", []), (b"", [""]), (b"", ["  "])])
def test_an_empty_prompt_is_refused(monkeypatch: pytest.MonkeyPatch, piped: bytes, words: list[str]) -> None:
    pipe_in(monkeypatch, piped)
    with pytest.raises(UsageError, match="the prompt is empty"):
        read_conversation("demo", words, None, None)


def test_a_file_holds_messages_and_tools(tmp_path: Path) -> None:
    file = tmp_path / "messages.json"
    file.write_text(
        '{"messages": [{"role": "user", "content": "ä"}],'
        ' "tools": [{"type": "function", "function": {"name": "now", "description": "Tells the time."}}]}',
        "utf-8",
    )
    assert read_conversation("demo", [], str(file), "Be brief.") == Conversation(
        (Message.of(Role.SYSTEM, "Be brief."), Message.of(Role.USER, "ä")), (Tool("now", "Tells the time."),)
    )


def test_a_dash_reads_the_messages_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe_in(monkeypatch, b'[{"role": "user", "content": "Hi"}]')
    assert read_conversation("demo", [], "-", None) == question("Hi")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="Windows has no endless file")
def test_an_endless_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given, "_MAX_BYTES", 10**6)
    with pytest.raises(UsageError, match=r"/dev/zero is larger than 1.0 MB"):
        read_conversation("demo", [], "/dev/zero", None)
    with Path("/dev/zero").open() as endless:
        monkeypatch.setattr(sys, "stdin", endless)
        with pytest.raises(UsageError, match=r"stdin is larger than 1.0 MB"):
            read_conversation("demo", [], None, None)


def test_a_file_without_messages_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe_in(monkeypatch, b'{"messages": []}')
    with pytest.raises(UsageError, match="- contains no messages"):
        read_conversation("demo", [], "-", None)


def test_messages_and_a_prompt_cannot_be_combined() -> None:
    with pytest.raises(UsageError, match="--messages and a prompt cannot be used together"):
        read_conversation("demo", ["Hi"], "file.json", None)


@pytest.mark.parametrize("role", ["system", "developer"])
def test_two_system_messages_are_refused(monkeypatch: pytest.MonkeyPatch, role: str) -> None:
    pipe_in(monkeypatch, json.dumps([{"role": role, "content": "A"}]).encode())
    with pytest.raises(UsageError, match="the messages already have a system message"):
        read_conversation("demo", [], "-", "B")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "file.json is not JSON: expecting value at line 1, column 1"),
        ('{"messages": [}', "file.json is not JSON: expecting value at line 1, column 15"),
        ('{"a":"\n"}', "file.json is not JSON: invalid control character at line 1, column 7"),
        ("[" * 100_000, "file.json is nested too deeply"),
        ("9" * 5000, "file.json contains a number with too many digits"),
        ("{}", "file.json: messages is missing"),
        ('[{"role": "user", "content": "\\ud83d"}]', "file.json contains an unpaired surrogate (\\ud800 to \\udfff)"),
    ],
)
def test_an_invalid_file_is_explained_in_one_sentence(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_messages_file(text, "file.json")
    assert caught.value.message == message


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    missing, odd = tmp_path / "missing.json", tmp_path / "odd.json"
    odd.write_bytes(b"\xff\xfe[")
    messages = {missing: f"cannot read {missing}: no such file or directory", odd: f"{odd} is not UTF-8 text"}
    for path, message in messages.items():
        with pytest.raises(UsageError) as caught:
            read_conversation("demo", [], str(path), None)
        assert caught.value.message == message


@pytest.mark.parametrize("text", ["{", "{}", "[1]"])
def test_a_file_in_another_format_gets_an_example_as_hint(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_messages_file(text, "chat.json")
    example = (caught.value.hint or "").removeprefix("the format is ")
    assert parse_messages_file(example, "chat.json") == question("Hello!")
