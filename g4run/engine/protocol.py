"""The messages between the program and its worker process, and their framing on a pipe.

A frame is a length (4 bytes, little endian) and a msgpack document. Messages about a request carry the `request_id`
that the client chose; messages about tokens also carry the `sequence_id` that the scheduler assigned.
"""

import struct
from typing import BinaryIO, Literal, TypeVar

import msgspec

from g4run.engine.parameters import GenerationParameters, LoadParameters

Message = TypeVar("Message")

_LENGTH = struct.Struct("<I")


class Load(msgspec.Struct, tag=True, frozen=True):
    """Load this model; LoadProgress reports follow, then Loaded or LoadRefused."""

    parameters: LoadParameters


class Submit(msgspec.Struct, tag=True, frozen=True):
    """Generate after these tokens; Step reports follow, then Finished or Failed.

    `boundaries` are positions in the prompt to which a later one may go back: where turns begin, where a thought opens.
    """

    request_id: int
    tokens: list[int]
    parameters: GenerationParameters
    boundaries: list[int] = []


class Cancel(msgspec.Struct, tag=True, frozen=True):
    """Stop a request before its next micro-batch; Finished follows unless it has already ended."""

    request_id: int


class Save(msgspec.Struct, tag=True, frozen=True):
    """Write the computed part of these tokens to a state file; Saved or Failed follows."""

    request_id: int
    tokens: list[int]
    path: bytes
    model_digest: str


class Restore(msgspec.Struct, tag=True, frozen=True):
    """Read a state file for the next prompt that begins with its tokens; Restored or Failed follows."""

    request_id: int
    path: bytes
    model_digest: str


class LoadProgress(msgspec.Struct, tag=True, frozen=True):
    """Fraction of the weights loaded, 0 to 1."""

    fraction: float


class Loaded(msgspec.Struct, tag=True, frozen=True):
    """The model is ready; `parameter_count` and `context_length` come from llama.cpp."""

    context_length: int
    parameter_count: int


class LoadRefused(msgspec.Struct, tag=True, frozen=True):
    """llama.cpp could not load the model; the reason is its error line."""

    reason: str


class Alternative(msgspec.Struct, frozen=True, array_like=True):
    """A token and its natural-log probability."""

    token: int
    logprob: float


class Sampled(msgspec.Struct, frozen=True, array_like=True):
    """One token drawn for one sequence; `logprob` is None unless requested."""

    request_id: int
    sequence_id: int
    token: int
    logprob: float | None = None
    alternatives: list[Alternative] = []


class Step(msgspec.Struct, tag=True, frozen=True):
    """All tokens drawn after one decode call; empty after a step that only computed prompts."""

    sampled: list[Sampled]


class Finished(msgspec.Struct, tag=True, frozen=True):
    """A request ended: 'stop', 'length', 'cancelled', 'deadline', 'loop' or 'failed'.

    'stop' is the model's own end token or a grammar's end, 'loop' endless whitespace or repetition, and 'failed' means
    that no token could be drawn. After 'length' and 'loop', a grammar's answer is complete if there was room.

    `prompt_seconds` is the time from the first decode to the first token, `generation_seconds` from there to the last.
    `generated_tokens` includes the end token. Of the prompt, `cached_tokens` were reused and `evaluated_tokens`
    computed. Of the `drafted_tokens`, `accepted_tokens` were accepted. `draft_gain` is the measured speedup by
    drafting; 1 if it is off.
    """

    request_id: int
    sequence_id: int
    reason: str
    prompt_tokens: int
    generated_tokens: int
    prompt_seconds: float
    generation_seconds: float
    cached_tokens: int = 0
    evaluated_tokens: int = 0
    drafted_tokens: int = 0
    accepted_tokens: int = 0
    draft_gain: float = 1.0


class Failed(msgspec.Struct, tag=True, frozen=True):
    """A request failed: it was invalid, the queue was full, or the engine failed. Others are not affected."""

    request_id: int
    reason: str
    kind: Literal["refused", "busy", "failed"] = "failed"


class Saved(msgspec.Struct, tag=True, frozen=True):
    """A sequence was written: its number of tokens and the file's size."""

    request_id: int
    tokens: int
    size_bytes: int


class Restored(msgspec.Struct, tag=True, frozen=True):
    """A sequence was restored: its tokens."""

    request_id: int
    tokens: list[int]


RequestCommand = Submit | Cancel | Save | Restore
Command = Load | RequestCommand
Report = LoadProgress | Loaded | LoadRefused | Step | Finished | Failed | Saved | Restored

_encoder = msgspec.msgpack.Encoder()
_command_decoder: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)
_report_decoder: msgspec.msgpack.Decoder[Report] = msgspec.msgpack.Decoder(Report)


def write_message(stream: BinaryIO, message: Command | Report) -> None:
    """Write one frame and flush it. Raises OSError if the other end is closed."""
    body = _encoder.encode(message)
    stream.write(_LENGTH.pack(len(body)) + body)
    stream.flush()


def read_command(stream: BinaryIO) -> Command | None:
    """Return the next command, or None at the end of the stream."""
    return _read(stream, _command_decoder)


def read_report(stream: BinaryIO) -> Report | None:
    """Return the next report, or None at the end of the stream, even within a frame (the worker died)."""
    return _read(stream, _report_decoder)


def _read(stream: BinaryIO, decoder: "msgspec.msgpack.Decoder[Message]") -> Message | None:
    prefix = stream.read(_LENGTH.size)
    if len(prefix) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(prefix)
    body = stream.read(length)
    return decoder.decode(body) if len(body) == length else None
