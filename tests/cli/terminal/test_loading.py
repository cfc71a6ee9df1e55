from g4run.cli.terminal.loading import LoadProgress
from tests.fakes.streams import RecordedOutput


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def draw(times: list[float], *, terminal: bool) -> str:
    """Return what is drawn if one more percent is loaded at each of these times."""
    output, clock = RecordedOutput(terminal=terminal), Clock()
    with LoadProgress(output.notes, "gemma-4-E2B.gguf", clock) as progress:
        for percent, clock.now in enumerate(times):
            progress.update(percent / 100)
    return output.stderr


def line(text: str) -> str:
    return f"\r{text:<60}\r"


def test_a_quick_load_draws_nothing() -> None:
    assert draw([0.0, 0.1, 0.29], terminal=True) == ""


def test_a_slow_load_is_drawn_ten_times_a_second_and_cleared() -> None:
    drawn = draw([0.31, 0.32, 0.40, 0.42, 0.5], terminal=True)
    assert drawn == line("Loading gemma-4-E2B.gguf   0%") + line("Loading gemma-4-E2B.gguf   3%") + line("")


def test_a_pipe_sees_nothing() -> None:
    assert draw([1.0, 2.0, 3.0], terminal=False) == ""
