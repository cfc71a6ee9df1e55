import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import scan_cache_dir

from g4run.errors import ModelNotFound, UsageError
from g4run.models.hub.partials import remove_partials
from g4run.models.store.imports import import_file
from g4run.models.store.store import Store
from tests.fakes.stores import REPOSITORY, FakeCache, hold, record_of, settings_in, write_model


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(settings_in(tmp_path))


@pytest.fixture
def cache(store: Store) -> FakeCache:
    store.settings.hub_cache.mkdir(parents=True)
    return FakeCache(store.settings.hub_cache)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model.gguf")


@pytest.fixture(autouse=True)
def whole_cache(store: Store) -> Iterator[None]:
    """After each test huggingface_hub still reads the cache without a warning."""
    yield
    if store.settings.hub_cache.is_dir():
        assert [str(warning) for warning in scan_cache_dir(store.settings.hub_cache).warnings] == []


OURS, THEIRS = f"{'a' * 64}.g4run.incomplete", f"{'b' * 64}.1234abcd.incomplete"


def test_unfinished_downloads_of_ours_are_removed(store: Store, cache: FakeCache) -> None:
    ours, theirs = cache.add_partial(OURS), cache.add_partial(THEIRS)
    journal = ours.with_name(f"{'a' * 64}.g4run.journal")
    journal.write_text("journal")
    removed = {partial.is_ours: partial for partial in remove_partials(store)}
    assert (removed[True].kept, removed[True].path, removed[True].repository) == (None, ours, REPOSITORY)
    if sys.platform != "win32":
        assert 8192 <= removed[True].freed_bytes < 1 << 20
    assert (removed[False].kept, removed[False].freed_bytes) == (
        "it is another program's; name it to remove it as well",
        0,
    )
    assert (ours.exists(), journal.exists(), theirs.exists()) == (False, False, True)
    assert [partial.is_ours for partial in remove_partials(store, also_foreign=True)] == [False]
    assert not cache.directory().exists()


def test_a_download_that_is_running_stays(store: Store, cache: FakeCache) -> None:
    ours = cache.add_partial(OURS)
    process = hold(cache.lock_path("a" * 64))
    assert [partial.kept for partial in remove_partials(store)] == ["another process is downloading it"]
    process.communicate("")
    assert ours.exists()
    assert [partial.kept for partial in remove_partials(store)] == [None]


def test_unfinished_downloads_of_a_name_only(store: Store, cache: FakeCache, model: Path) -> None:
    here = cache.add_partial(OURS)
    there = cache.add_partial(OURS, repository="x/y")
    assert [partial.path for partial in remove_partials(store, [f"hf.co/{REPOSITORY}:Q8_0"])] == [here]
    assert remove_partials(store, ["gemma4:26b"]) == ()
    with pytest.raises(ModelNotFound):
        remove_partials(store, ["hf.co/x/y", "nothing"])
    with pytest.raises(UsageError):
        remove_partials(store, ["demo"])
    assert there.exists()
    file = replace(import_file(store, model, "mine").files[0], repository="x/y", sha256="a" * 64)
    store.save(record_of("mine", file))
    assert [partial.path for partial in remove_partials(store, ["mine"])] == [there]
