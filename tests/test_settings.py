from pathlib import Path

import pytest

from g4run.errors import UsageError
from g4run.settings import Settings, read_settings


def test_one_directory_may_hold_all_that_is_written() -> None:
    settings = read_settings({"G4RUN_HOME": "somewhere"})
    assert settings == Settings(data_directory=Path("somewhere"), log_directory=Path("somewhere/logs"))


def test_numbers_and_colour_are_read() -> None:
    environment = {"G4RUN_HOME": "x", "G4RUN_THREADS": "007", "G4RUN_CONTEXT": "1024", "NO_COLOR": "1"}
    settings = read_settings(environment)
    assert (settings.threads, settings.context_length, settings.colour) == (7, 1024, False)


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", " 3", "\N{ARABIC-INDIC DIGIT THREE}"])
@pytest.mark.parametrize("name", ["G4RUN_THREADS", "G4RUN_CONTEXT"])
def test_what_is_no_count_is_refused(name: str, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_settings({"G4RUN_HOME": "x", name: text})
    assert caught.value.message == f"{name} must be a positive whole number, not {text!r}"
    assert caught.value.hint == f"unset {name}"


@pytest.mark.parametrize("text", ["99999999999", "9" * 5000])
@pytest.mark.parametrize(("name", "most"), [("G4RUN_THREADS", 512), ("G4RUN_CONTEXT", 2147483647)])
def test_more_than_llama_cpp_counts_is_refused(name: str, most: int, text: str) -> None:
    with pytest.raises(UsageError, match=f"{name} must be at most {most}$"):
        read_settings({"G4RUN_HOME": "x", name: text})
    with pytest.raises(UsageError, match=f"{name} must be at most {most}$"):
        read_settings({"G4RUN_HOME": "x", name: str(most + 1)})
    assert read_settings({"G4RUN_HOME": "x", name: str(most)})


def test_a_home_of_nobody_is_refused() -> None:
    with pytest.raises(UsageError, match="G4RUN_HOME names no home directory: ~nobody-of-that-name"):
        read_settings({"G4RUN_HOME": "~nobody-of-that-name"})
