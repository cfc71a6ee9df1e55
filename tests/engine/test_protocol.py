import io

import msgspec
import pytest

from g4run.engine.parameters import GenerationParameters, LoadParameters, SamplingParameters
from g4run.engine.protocol import (
    Alternative,
    Cancel,
    Command,
    Failed,
    Finished,
    Load,
    Loaded,
    LoadProgress,
    LoadRefused,
    Report,
    Sampled,
    Step,
    Submit,
    read_command,
    read_report,
    write_message,
)
from g4run.kv_types import KvType

COMMANDS: tuple[Command, ...] = (
    Load(LoadParameters(b"/models/\xe4.gguf", 4096, 2, sequences=4, kv_type=KvType.Q8_0)),
    Submit(7, [2, 105, 262143], GenerationParameters(12, SamplingParameters(0.7, 40, 0.9, 0.05, 99), logprobs=3)),
    Submit(8, [], GenerationParameters()),
    Cancel(7),
)
REPORTS: tuple[Report, ...] = (
    LoadProgress(0.25),
    Loaded(4096, 4_647_450_147),
    LoadRefused("wrong shape"),
    Step([Sampled(1, 0, 106), Sampled(2, 1, 5, -0.5, [Alternative(5, -0.5), Alternative(6, -1.0)])]),
    Finished(1, 0, "stop", 10, 5, 0.1, 0.4),
    Failed(2, "too long"),
)


def test_commands_and_reports_round_trip() -> None:
    stream = io.BytesIO()
    for message in (*COMMANDS, *REPORTS):
        write_message(stream, message)
    stream.seek(0)
    assert tuple(read_command(stream) for _ in COMMANDS) == COMMANDS
    assert tuple(read_report(stream) for _ in REPORTS) == REPORTS
    assert read_report(stream) is None


@pytest.mark.parametrize("message", COMMANDS, ids=lambda message: type(message).__name__)
def test_a_truncated_frame_is_the_end_of_the_stream(message: Command) -> None:
    stream = io.BytesIO()
    write_message(stream, message)
    whole = stream.getvalue()
    for length in range(len(whole)):
        assert read_command(io.BytesIO(whole[:length])) is None


def test_an_invalid_message_is_an_error() -> None:
    with pytest.raises(msgspec.DecodeError):
        read_report(io.BytesIO(b"\x01\x00\x00\x00\xc1"))
