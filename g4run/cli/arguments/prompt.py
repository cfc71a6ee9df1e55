"""Read a typed, piped, or saved prompt as a conversation."""

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from g4run.errors import UsageError
from g4run.units import render_bytes

if TYPE_CHECKING:
    from g4run.chat.messages import Conversation, JsonValue

_MAX_BYTES = 256 * 10**6  # of a prompt or a file of messages; the longest context holds about 1 MiB of text
_NO_PROMPT_HINT = 'g4run run {model} "your prompt", or g4run chat {model}'
_FORMAT_HINT = 'the format is {"messages": [{"role": "user", "content": "Hello!"}]}'


def read_conversation(
    model: str, words: Sequence[str], messages_file: str | None, system: str | None
) -> "Conversation":
    """Read the prompt from the arguments and stdin, or whole messages from a file. Raises UsageError."""
    from g4run.chat.messages import Conversation, Message, Role

    if messages_file is None:
        return _with_system(Conversation((Message.of(Role.USER, _read_prompt(model, words)),)), system)
    if words:
        raise UsageError("--messages and a prompt cannot be used together", "put the prompt in the file")
    text = _read_stdin() if messages_file == "-" else read_file(Path(messages_file))
    conversation = parse_messages_file(text or "", messages_file)
    if not conversation.messages:
        raise UsageError(f"{messages_file} contains no messages", "add a message with the role user")
    return _with_system(conversation, system)


def parse_messages_file(text: str, name: str) -> "Conversation":
    """Parse messages in OpenAI's format. Raises UsageError that names the file and the position."""
    from g4run.chat.openai_shape import parse_conversation

    value = parse_json(text, name, _FORMAT_HINT)
    try:
        return parse_conversation(value)
    except RecursionError:
        raise UsageError(f"{name} is nested too deeply") from None
    except UsageError as error:
        raise UsageError(f"{name}: {error.message}", error.hint or _FORMAT_HINT) from None


def parse_json(text: str, name: str, hint: str) -> "JsonValue":
    """Parse JSON. Raises UsageError that names the file and the position; invalid JSON gets `hint`."""
    try:
        value: JsonValue = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        message = (
            f"{name} is not JSON: {error.msg.lower().removesuffix(' at')} at line {error.lineno}, column {error.colno}"
        )
        raise UsageError(message, hint) from None
    except RecursionError:
        raise UsageError(f"{name} is nested too deeply") from None
    except UnicodeEncodeError:
        raise UsageError(f"{name} contains an unpaired surrogate (\\ud800 to \\udfff)") from None
    except ValueError:  # int(), beyond 4,300 digits
        raise UsageError(f"{name} contains a number with too many digits") from None
    return value


def repair_text(text: str) -> str:
    """Replace bytes that are not UTF-8, so that the text can be tokenized."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _with_system(conversation: "Conversation", system: str | None) -> "Conversation":
    from g4run.chat.messages import Message, Role

    if system is None:
        return conversation
    if any(message.role in (Role.SYSTEM, Role.DEVELOPER) for message in conversation.messages):
        raise UsageError("--system was given, but the messages already have a system message", "omit one of them")
    opening = Message.of(Role.SYSTEM, repair_text(system))
    return replace(conversation, messages=(opening, *conversation.messages))


def _read_prompt(model: str, words: Sequence[str]) -> str:
    """Join stdin and the arguments, in this order, with a blank line between them."""
    piped = _read_stdin()
    typed = repair_text(" ".join(words))
    if piped is None and not words:
        raise UsageError("no prompt was given", _NO_PROMPT_HINT.format(model=shlex.quote(model)))
    prompt = "\n\n".join(part for part in ((piped or "").strip("\n"), typed) if part.strip())
    if not prompt:
        raise UsageError("the prompt is empty", _NO_PROMPT_HINT.format(model=shlex.quote(model)))
    return prompt


def _read_stdin() -> str | None:
    """Return all of stdin; None if it is a terminal or closed."""
    if sys.stdin is None or sys.stdin.isatty():
        return None
    return _read_all(sys.stdin.buffer, "stdin").decode("utf-8-sig", "replace").replace("\r\n", "\n")


def read_file(path: Path) -> str:
    """Read a text file. Raises UsageError if it cannot be read, is too large, or is not UTF-8."""
    try:
        with path.open("rb") as file:
            return _read_all(file, str(path)).decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text") from None


def _read_all(file: BinaryIO, name: str) -> bytes:
    """Read a file of at most 256 MB, since a device never ends. Raises UsageError."""
    data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise UsageError(f"{name} is larger than {render_bytes(_MAX_BYTES)}")
    return data
