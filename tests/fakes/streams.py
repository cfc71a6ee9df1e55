"""Standard streams in memory."""

import io

from g4run.cli.output import Output, Stream


class TerminalText(io.StringIO):
    """Text in memory that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class RecordedOutput(Output):
    """Both streams in memory."""

    def __init__(self, *, terminal: bool = False) -> None:
        make = TerminalText if terminal else io.StringIO
        self._stdout, self._stderr = make(), make()
        super().__init__(Stream(self._stdout, required=True), Stream(self._stderr, required=False))

    @property
    def stdout(self) -> str:
        return self._stdout.getvalue()

    @property
    def stderr(self) -> str:
        return self._stderr.getvalue()
