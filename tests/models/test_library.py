import os
import shutil
from pathlib import Path

import pytest

from g4run.errors import G4RunError, InvalidModelFile, ModelNotFound, UsageError
from g4run.models.gguf.header import read_header
from g4run.models.library import DEMO_PATH, open_file
from tests.fakes.gguf_files import EXPERTS, SMALL, foreign_file, gemma4_file, write_text, write_truncated
from tests.fakes.library import resolve


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A directory with two models and another file."""
    gemma4_file(SMALL).write(tmp_path / "gemma-4-small.gguf")
    gemma4_file(EXPERTS).write(tmp_path / "gemma-4-experts.GGUF")
    write_text(tmp_path / "notes.txt")
    return tmp_path


def failure(name: str) -> G4RunError:
    with pytest.raises(G4RunError) as raised:
        resolve(name)
    return raised.value


def test_a_path_is_opened(models: Path) -> None:
    path = models / "gemma-4-small.gguf"
    file = resolve(str(path))
    assert (file.name, file.path) == (str(path), path)
    assert file.header == read_header(path)
    assert (file.architecture.size_label, file.architecture.is_small) == ("small", True)


def test_a_path_may_be_relative(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(models)
    assert resolve("gemma-4-experts.GGUF").architecture.expert_count == 4


@pytest.mark.skipif(not DEMO_PATH.exists(), reason="the built-in model was not built")
def test_demo_is_the_built_in_model() -> None:
    file = resolve("demo")
    assert (file.name, file.path) == ("demo", DEMO_PATH)
    assert file.architecture.layers > 1


def test_a_missing_path_names_its_neighbours(models: Path) -> None:
    error = failure(str(models / "gemma4-smal.gguf"))
    assert isinstance(error, ModelNotFound)
    assert error.message == f"there is no file {models / 'gemma4-smal.gguf'}"
    assert error.hint.startswith(f"did you mean {models / 'gemma-4-small.gguf'}")


def test_a_missing_path_without_similar_names_lists_the_models(models: Path) -> None:
    listed = f"the GGUF files there: {models / 'gemma-4-experts.GGUF'}, {models / 'gemma-4-small.gguf'}"
    assert failure(str(models / "qqq.bin")).hint == listed
    for number in range(4):
        (models / f"a{number}.gguf").touch()
    assert failure(str(models / "qqq.bin")).hint.endswith(f"{models / 'a2.gguf'} and 3 more")


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "model.gguf"
    assert failure(str(path)).message == f"there is no file {path} and no directory {path.parent}"


def test_a_directory_lists_its_models(models: Path) -> None:
    error = failure(f"{models}/")
    assert isinstance(error, ModelNotFound)
    assert error.message == f"{models} is a directory"
    assert str(models / "gemma-4-small.gguf") in error.hint
    assert "notes.txt" not in error.hint


def test_an_empty_directory_says_so(tmp_path: Path) -> None:
    assert failure(f"{tmp_path}/").hint == f"there are no GGUF files in {tmp_path}"


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("gemma4:26b", "gemma4:26b is not on this machine yet", "g4run pull gemma4:26b"),
        ("gemma4", "gemma4:e4b is not on this machine yet", "g4run pull gemma4:e4b"),
        (
            "gemma4:26b-q4_0",
            "gemma4:26b-q4_0 is not on this machine yet (14.4 GB)",
            "g4run pull gemma4:26b-q4_0",
        ),
        (
            "hf.co/user/repository:Q8_0",
            "hf.co/user/repository:Q8_0 is not on this machine yet",
            "g4run pull hf.co/user/repository:Q8_0",
        ),
    ],
)
def test_a_model_on_the_hub_must_be_pulled(name: str, message: str, hint: str) -> None:
    error = failure(name)
    assert isinstance(error, ModelNotFound)
    assert (error.exit_code, error.message, error.hint) == (3, message, hint)


def test_a_bare_name_is_not_the_file_of_that_name(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(models / "gemma-4-small.gguf", models / "small")
    monkeypatch.chdir(models)
    assert failure("small").hint == "for the file of that name, type ./small"
    assert resolve("./small").name == "./small"


@pytest.mark.parametrize("name", ["a\0b.gguf", "x" * 5000 + ".gguf", "~no such person~/m.gguf"])
def test_impossible_paths_are_not_found(name: str) -> None:
    error = failure(name)
    assert isinstance(error, ModelNotFound)
    assert error.hint


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 5000])
def test_impossible_names_are_not_valid(name: str) -> None:
    error = failure(name)
    assert isinstance(error, UsageError)
    assert error.hint


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_tilde_after_a_dot_is_part_of_the_file_name(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(DEMO_PATH, models / "~odd.gguf")
    monkeypatch.chdir(models)
    assert resolve("./~odd.gguf").path == Path("~odd.gguf")


def test_a_named_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gguf")
    assert failure(str(tmp_path / "pipe.gguf")).message == f"{tmp_path / 'pipe.gguf'} is not a regular file"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_an_unreadable_file_is_reported(models: Path) -> None:
    path = models / "gemma-4-small.gguf"
    path.chmod(0)
    assert failure(str(path)).message == f"cannot read {path}: Permission denied"


def test_errors_in_a_file_start_with_its_name(tmp_path: Path) -> None:
    for path, message in (
        (write_text(tmp_path / "page.gguf"), "page.gguf: this is not a GGUF file"),
        (write_truncated(tmp_path / "cut.gguf"), "cut.gguf: the file is incomplete"),
        (foreign_file("clip").write(tmp_path / "mmproj.gguf"), "mmproj.gguf: this is a projector"),
        (foreign_file("qwen3").write(tmp_path / "qwen.gguf"), "qwen.gguf: this is a model of architecture 'qwen3'"),
    ):
        error = failure(str(path))
        assert isinstance(error, InvalidModelFile)
        assert error.message.startswith(message)


def test_a_missing_built_in_model_means_a_broken_installation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("g4run.models.library.DEMO_PATH", tmp_path / "demo.gguf")
    with pytest.raises(ModelNotFound, match="the built-in model is missing") as raised:
        resolve("demo")
    assert raised.value.hint == "reinstall g4run"
    with pytest.raises(ModelNotFound, match="there is no file"):
        open_file("other", tmp_path / "other.gguf")
