import sys
from dataclasses import replace
from pathlib import Path

import pytest

from g4run.errors import ModelNotFound, NotWritable, UsageError
from g4run.models.import_model import import_file
from g4run.models.store.partial_downloads import remove_partials
from g4run.models.store.store import Store
from tests.fakes.stores import OUR_PARTIAL, REPOSITORY, THEIR_PARTIAL, FakeCache, hold, record_of

pytestmark = pytest.mark.usefixtures("whole_cache")


def test_unfinished_downloads_of_ours_are_removed(store: Store, cache: FakeCache) -> None:
    ours, theirs = cache.add_partial(OUR_PARTIAL), cache.add_partial(THEIR_PARTIAL)
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
    ours = cache.add_partial(OUR_PARTIAL)
    process = hold(cache.lock_path("a" * 64))
    assert [partial.kept for partial in remove_partials(store)] == ["another process is downloading it"]
    process.communicate("")
    assert ours.exists()
    assert [partial.kept for partial in remove_partials(store)] == [None]


def test_a_cache_that_refuses_is_named_by_its_own_setting(store: Store, cache: FakeCache) -> None:
    ours = cache.add_partial(OUR_PARTIAL)
    (store.settings.hub_cache / ".locks").write_bytes(b"")
    with pytest.raises(NotWritable) as caught:
        remove_partials(store)
    assert caught.value.hint == "set HF_HOME to a directory that can be written"
    assert ours.exists()


def test_unfinished_downloads_of_a_name_only(store: Store, cache: FakeCache, model: Path) -> None:
    here = cache.add_partial(OUR_PARTIAL)
    there = cache.add_partial(OUR_PARTIAL, repository="x/y")
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
