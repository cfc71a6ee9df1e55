from pathlib import Path

import pytest
from msgspec.structs import replace

from g4run.errors import ModelNotFound, UsageError
from g4run.models.copy_name import copy_name
from g4run.models.import_model import import_file
from g4run.models.store.store import Store
from tests.fakes.stores import settings_in, write_model


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(settings_in(tmp_path))
    import_file(store, write_model(tmp_path / "one.gguf"), "one")
    import_file(store, write_model(tmp_path / "two.gguf"), "two")
    return store


def test_a_copy_has_the_same_files(store: Store, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*.gguf"))
    copied = copy_name(store, "ONE", "My-Gemma:latest")
    source = store.get("one")
    assert copied == store.get("my-gemma")
    assert copied == replace(source, name="my-gemma", created_at=copied.created_at, modified_at=copied.modified_at)
    assert copied.modified_at > source.modified_at
    assert copied.id == source.id
    assert sorted(tmp_path.rglob("*.gguf")) == before


def test_copying_again_changes_nothing(store: Store) -> None:
    assert copy_name(store, "one", "other") == copy_name(store, "one", "other")
    assert copy_name(store, "one", "one") == store.get("one")


def test_a_family_name_is_found_as_it_is_typed(store: Store) -> None:
    store.save(replace(store.get("one"), name="gemma4:e4b"))
    assert copy_name(store, "gemma4", "other").path == store.get("one").path


def test_another_name_of_the_same_file_on_the_hub_will_do(store: Store) -> None:
    record = store.get("one")
    weights = replace(
        record.files[0],
        repository="google/gemma-4-E4B-it-qat-q4_0-gguf",
        repository_path="gemma-4-E4B_q4_0-it.gguf",
    )
    store.save(replace(record, name="gemma4:e4b", files=(weights,)))
    assert copy_name(store, "gemma4:e4b-qat-q4_0", "other").path == record.path


def test_a_name_that_stands_for_other_files_is_refused(store: Store) -> None:
    with pytest.raises(UsageError) as raised:
        copy_name(store, "one", "two")
    assert (raised.value.message, raised.value.hint) == (
        "two already names other files",
        "g4run rm two, or choose another name",
    )
    assert store.get("two").path.name == "two.gguf"


@pytest.mark.parametrize("name", ["demo", "gemma4", "gemma4:26b", "hf.co/a/b", "./x", "x.gguf", "a b", ""])
def test_a_reserved_or_malformed_name_is_refused(store: Store, name: str) -> None:
    with pytest.raises(UsageError):
        copy_name(store, "one", name)
    assert len(store.records()) == 2


@pytest.mark.parametrize("name", ["gemma4:26B", "hf.co/acme/x:Q8_0"])
def test_a_source_that_is_still_on_the_hub_is_to_be_pulled(store: Store, name: str) -> None:
    with pytest.raises(ModelNotFound) as raised:
        copy_name(store, name, "other")
    canonical = name.replace("26B", "26b")
    assert raised.value.message.startswith(f"{canonical} is not on this machine yet")
    assert raised.value.hint == f"g4run pull {canonical}"


def test_an_unknown_source_is_not_found(store: Store) -> None:
    with pytest.raises(ModelNotFound, match="there is no model named oen") as raised:
        copy_name(store, "oen", "three")
    assert raised.value.hint == "did you mean one?"
