from pathlib import Path

import pytest

from g4run.errors import UsageError
from g4run.settings import Settings, read_settings


def test_one_directory_may_hold_all_that_is_written() -> None:
    settings = read_settings({"G4RUN_HOME": "somewhere", "HOME": "/home/anna"})
    assert settings == Settings(
        data_directory=Path("somewhere"),
        log_directory=Path("somewhere/logs"),
        home_directory=Path("/home/anna"),
        hub_cache=Path("/home/anna/.cache/huggingface/hub"),
    )


@pytest.mark.parametrize(
    ("environment", "directory"),
    [
        ({}, "/home/anna/.cache/huggingface/hub"),
        ({"XDG_CACHE_HOME": "/cache"}, "/cache/huggingface/hub"),
        ({"HF_HOME": "/hf"}, "/hf/hub"),
        ({"HF_HOME": "~/hf", "XDG_CACHE_HOME": "/cache"}, "/home/anna/hf/hub"),
        ({"HF_HOME": "/hf", "HF_HUB_CACHE": "/models"}, "/models"),
        ({"HF_HOME": "/hf", "HUGGINGFACE_HUB_CACHE": "/models"}, "/models"),
        ({"HF_HUB_CACHE": "${DISK}/models", "DISK": "/disk"}, "/disk/models"),
    ],
)
def test_the_hub_cache_is_where_every_other_tool_looks(environment: dict[str, str], directory: str) -> None:
    settings = read_settings({"G4RUN_HOME": "x", "HOME": "/home/anna", **environment})
    assert settings.hub_cache == Path(directory)


@pytest.mark.parametrize(("text", "is_offline"), [("1", True), ("true", True), ("on", True), ("0", False), ("", False)])
def test_offline_mode_is_huggingface_hub_s(text: str, is_offline: bool) -> None:
    assert read_settings({"G4RUN_HOME": "x", "HF_HUB_OFFLINE": text}).is_offline is is_offline


def test_the_hub_s_address_has_no_slash_at_its_end() -> None:
    assert read_settings({"G4RUN_HOME": "x", "HF_ENDPOINT": "http://hub:8000/"}).hub_endpoint == "http://hub:8000"
    assert read_settings({"G4RUN_HOME": "x"}).hub_endpoint == "https://huggingface.co"


def test_numbers_and_colour_are_read() -> None:
    environment = {"G4RUN_HOME": "x", "G4RUN_THREADS": "007", "G4RUN_CONTEXT": "1024", "NO_COLOR": "1"}
    settings = read_settings(environment)
    assert (settings.threads, settings.context_length, settings.colour) == (7, 1024, False)


@pytest.mark.parametrize(("text", "tokens"), [("8k", 8192), ("128K", 131_072)])
def test_a_context_may_be_given_in_thousands(text: str, tokens: int) -> None:
    assert read_settings({"G4RUN_HOME": "x", "G4RUN_CONTEXT": text}).context_length == tokens


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", " 3", "k", "0k", "\N{ARABIC-INDIC DIGIT THREE}"])
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
    with pytest.raises(UsageError, match="the home directory in G4RUN_HOME is unknown: ~nobody-of-that-name"):
        read_settings({"G4RUN_HOME": "~nobody-of-that-name"})
