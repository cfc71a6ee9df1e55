import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from g4run.models.external.search import FoundModel, find_same_file, search_external
from g4run.settings import Settings
from tests.fakes.gguf_files import (
    SMALL,
    foreign_file,
    gemma4_file,
    split_file,
    write_parts,
    write_text,
    write_truncated,
)
from tests.fakes.stores import (
    REPOSITORY,
    FakeCache,
    add_ollama_model,
    digest_of,
    settings_in,
    write_model,
    write_projector,
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.fixture
def cache(settings: Settings) -> FakeCache:
    return FakeCache(settings.hub_cache)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model.gguf")


@pytest.fixture
def lm_studio(settings: Settings) -> Path:
    return settings.home_directory / ".lmstudio" / "models"


@pytest.fixture
def ollama(settings: Settings) -> Path:
    return settings.home_directory / ".ollama" / "models"


def find_model(settings: Settings, model: Path, file_name: str = "model.gguf") -> Path | None:
    return find_same_file(settings, file_name, model.stat().st_size, digest_of(model))


def test_nothing_is_found_where_nothing_is(settings: Settings, model: Path) -> None:
    assert search_external(settings).models == ()
    assert find_model(settings, model) is None


def test_models_are_found_in_all_places(
    settings: Settings, cache: FakeCache, lm_studio: Path, ollama: Path, model: Path
) -> None:
    in_studio = write_model(lm_studio / "user" / "repo" / "m.gguf")
    blob = add_ollama_model(ollama, "gemma4:e4b", model)
    model.write_bytes(model.read_bytes()[:-1] + b"\1")
    pointer = cache.add("Q8/a.gguf", model)
    size_bytes, digest = model.stat().st_size, digest_of(model)
    assert search_external(settings).models == (
        FoundModel("LM Studio", "user/repo/m.gguf", in_studio, size_bytes, None, None),
        FoundModel("Ollama", "gemma4:e4b", blob, size_bytes, digest_of(blob), None),
        FoundModel("Hugging Face cache", f"hf.co/{REPOSITORY}/Q8/a.gguf", pointer, size_bytes, digest, None),
    )


def test_only_the_family_is_offered_and_others_are_counted(
    settings: Settings, cache: FakeCache, lm_studio: Path, ollama: Path, tmp_path: Path
) -> None:
    folder = lm_studio / "user" / "repo"
    write_model(folder / "m.gguf")
    write_projector(folder / "mmproj.gguf")
    foreign_file("qwen3").write(folder / "qwen.gguf")
    write_text(folder / "page.gguf")
    add_ollama_model(ollama, "llama3:8b", foreign_file("llama").write(tmp_path / "llama.gguf"))
    cache.add("other.gguf", foreign_file("gemma3").write(tmp_path / "gemma3.gguf"))
    found = search_external(settings)
    assert [model.name for model in found.models] == ["user/repo/m.gguf"]
    assert found.other_count == 4


def test_what_does_not_load_says_why(settings: Settings, lm_studio: Path, ollama: Path, tmp_path: Path) -> None:
    (lm_studio / "u" / "r").mkdir(parents=True)
    write_truncated(lm_studio / "u" / "r" / "cut.gguf")
    odd = gemma4_file(SMALL).lacking_tensor("output_norm.weight").write(tmp_path / "odd.gguf")
    add_ollama_model(ollama, "gemma4:26b", odd)
    found = search_external(settings)
    (odd_model,) = found.models
    assert odd_model.origin == "Ollama"
    assert odd_model.problem is not None
    assert "output_norm.weight" in odd_model.problem
    assert found.other_count == 1, "of a file that is cut off nobody can say what it was"


def test_a_model_in_parts_is_one(settings: Settings, cache: FakeCache, lm_studio: Path, tmp_path: Path) -> None:
    file = gemma4_file(SMALL)
    parts = write_parts(split_file(file, 10), tmp_path)
    pointers = [cache.add(part.name, part) for part in parts]
    (found,) = search_external(settings).models
    assert (found.path, found.size_bytes) == (pointers[0], sum(part.stat().st_size for part in parts))
    assert found.problem is None
    pointers[1].unlink()
    (found,) = search_external(settings).models
    assert found.problem is not None
    assert "part 2 of 2 is missing" in found.problem


def test_tags_of_the_same_bytes_are_one(settings: Settings, ollama: Path, model: Path) -> None:
    add_ollama_model(ollama, "gemma4:e4b", model)
    add_ollama_model(ollama, "gemma4:latest", model)
    add_ollama_model(ollama, "mine:1", model, host="registry.ollama.ai/me")
    assert [found.name for found in search_external(settings).models] == ["gemma4:e4b"]


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("registry.ollama.ai/library", "gemma4:e4b"),
        ("registry.ollama.ai/me", "me/gemma4:e4b"),
        ("hf.co/me", "hf.co/me/gemma4:e4b"),
    ],
)
def test_ollamas_names_are_as_ollama_shows_them(
    settings: Settings, tmp_path: Path, model: Path, host: str, name: str
) -> None:
    chosen = replace(settings, ollama_directory=tmp_path / "elsewhere")
    add_ollama_model(tmp_path / "elsewhere", "gemma4:e4b", model, host=host)
    assert [found.name for found in search_external(chosen).models] == [name]
    assert search_external(settings).models == ()


@pytest.mark.parametrize(
    "manifest",
    [
        "",
        "{",
        "[]",
        '{"layers": 3}',
        '{"layers": [3, {}]}',
        '{"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:../../x"}]}',
        '{"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": 7}]}',
    ],
)
def test_a_damaged_manifest_is_passed_over(settings: Settings, ollama: Path, model: Path, manifest: str) -> None:
    add_ollama_model(ollama, "gemma4:e4b", model)
    (ollama / "manifests" / "registry.ollama.ai" / "library" / "gemma4" / "bad").write_text(manifest)
    assert [found.name for found in search_external(settings).models] == ["gemma4:e4b"]


def test_a_tag_without_its_blob_is_passed_over(settings: Settings, ollama: Path, model: Path) -> None:
    add_ollama_model(ollama, "gemma4:e4b", model).unlink()
    assert search_external(settings).models == ()


def test_lm_studios_own_choice_of_folder_counts(settings: Settings, tmp_path: Path) -> None:
    path = write_model(tmp_path / "chosen" / "user" / "repo" / "m.gguf")
    file = settings.home_directory / ".lmstudio" / "settings.json"
    file.parent.mkdir(parents=True)
    for content in ("{", "[]", '{"downloadsFolder": 3}', '{"downloadsFolder": "relative"}', '{"downloadsFolder": ""}'):
        file.write_text(content)
        assert search_external(settings).models == ()
    file.write_text(json.dumps({"downloadsFolder": str(tmp_path / "chosen")}))
    assert [found.path for found in search_external(settings).models] == [path]


def test_the_older_folder_of_lm_studio_counts(settings: Settings) -> None:
    path = write_model(settings.home_directory / ".cache" / "lm-studio" / "models" / "u" / "r" / "m.gguf")
    assert [found.path for found in search_external(settings).models] == [path]


def test_a_folder_that_cannot_be_read_is_passed_over(settings: Settings, lm_studio: Path, ollama: Path) -> None:
    path = write_model(lm_studio / "user" / "repo" / "m.gguf")
    (lm_studio / "stray.txt").write_text("not a folder")
    ollama.parent.mkdir(parents=True)
    ollama.write_text("not a folder")
    (lm_studio / "locked").mkdir(mode=0)
    assert [found.path for found in search_external(settings).models] == [path]


def test_the_same_file_is_found_by_its_bytes(
    settings: Settings, cache: FakeCache, lm_studio: Path, ollama: Path, model: Path
) -> None:
    studio = write_model(lm_studio / "user" / "repo" / "Model.GGUF")
    assert find_model(settings, model) == studio
    pointer = cache.add("a.gguf", model, repository="x/y")
    assert find_model(settings, model) == pointer
    assert find_model(settings, model, "another.gguf") == pointer
    blob = add_ollama_model(ollama, "gemma4:e4b", model)
    assert find_model(settings, model) == blob


def test_a_claim_is_not_believed(
    settings: Settings, cache: FakeCache, lm_studio: Path, ollama: Path, model: Path
) -> None:
    """Every place has a file of the right name and size, and none the right bytes."""
    digest = digest_of(model)
    wrong = bytes(model.stat().st_size)
    add_ollama_model(ollama, "gemma4:e4b", model).write_bytes(wrong)
    cache.add("model.gguf", model)
    cache.blob(digest).write_bytes(wrong)
    write_model(lm_studio / "user" / "repo" / "model.gguf").write_bytes(wrong)
    assert find_model(settings, model) is None


def test_without_links_the_file_is_found_by_name(settings: Settings, cache: FakeCache, model: Path) -> None:
    pointer = cache.add("model.gguf", model, makes_links=False)
    assert find_model(settings, model) == pointer
    assert find_model(settings, model, "another.gguf") is None


def test_without_a_digest_nothing_is_found(settings: Settings, cache: FakeCache, model: Path) -> None:
    cache.add("model.gguf", model)
    assert find_same_file(settings, "model.gguf", model.stat().st_size, None) is None
    assert find_same_file(settings, "model.gguf", 1, digest_of(model)) is None


def test_hashing_tells_how_far_it_is(settings: Settings, cache: FakeCache, model: Path) -> None:
    cache.add("model.gguf", model)
    done: list[int] = []
    find_same_file(settings, "model.gguf", model.stat().st_size, digest_of(model), done.append)
    assert done[-1] == model.stat().st_size
