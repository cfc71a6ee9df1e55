import dataclasses
from pathlib import Path

import pytest

from g4run.errors import UsageError
from g4run.hardware.processors import inspect_processors
from g4run.models.library import ModelFile, resolve
from g4run.runtime.loading import LoadOptions, plan_load
from g4run.settings import Settings, read_settings
from scripts.shapes.writer import write_shape


@pytest.fixture
def model() -> ModelFile:
    return resolve("demo")


def settings(**changes: int) -> Settings:
    return dataclasses.replace(read_settings(), **changes)  # type: ignore[arg-type] # the fields that are numbers


def test_the_context_is_what_was_trained_or_the_default_if_that_is_less(model: ModelFile) -> None:
    assert plan_load(model, settings(), LoadOptions()).context_length == 4096
    long = dataclasses.replace(model, architecture=dataclasses.replace(model.architecture, context_length=131072))
    assert plan_load(long, settings(), LoadOptions()).context_length == 8192


def test_the_environment_sets_the_context_and_an_option_goes_before_it(model: ModelFile) -> None:
    assert plan_load(model, settings(context_length=1024), LoadOptions()).context_length == 1024
    assert plan_load(model, settings(context_length=1024), LoadOptions(512)).context_length == 512


def test_the_environment_cannot_ask_for_more_than_was_trained(model: ModelFile) -> None:
    assert plan_load(model, settings(context_length=100_000), LoadOptions()).context_length == 4096


def test_an_option_beyond_the_trained_context_is_refused(model: ModelFile) -> None:
    with pytest.raises(UsageError) as caught:
        plan_load(model, settings(), LoadOptions(5000))
    assert caught.value.message == "demo was trained for a context of 4,096 tokens, not 5,000"
    assert caught.value.hint == "--ctx 4096"


def test_threads_are_the_environments_or_the_machines(tmp_path: Path, model: ModelFile) -> None:
    path = tmp_path / "e2b.gguf"
    write_shape("e2b", "Q4_0", path)
    large = resolve(str(path))
    assert plan_load(large, settings(), LoadOptions()).threads == inspect_processors().threads
    assert plan_load(large, settings(threads=7), LoadOptions()).threads == 7


def test_a_tiny_model_gets_one_thread(model: ModelFile) -> None:
    assert plan_load(model, settings(), LoadOptions()).threads == 1
    assert plan_load(model, settings(threads=7), LoadOptions()).threads == 7
