import sys

import pytest

from g4run.errors import NotWritable
from g4run.models.hub_cache.unfinished import bytes_on_disk, find_unfinished, remove_unfinished
from g4run.models.store.store import Store
from tests.fakes.stores import OUR_PARTIAL, REPOSITORY, THEIR_PARTIAL, FakeCache, hold

pytestmark = pytest.mark.usefixtures("whole_cache")


def test_partials_are_told_apart_and_measured_without_their_holes(cache: FakeCache) -> None:
    ours = cache.add_partial(f"{'a' * 64}.g4run.incomplete", 1 << 30)
    (ours.parent / f"{'a' * 64}.g4run.journal").write_text("journal")
    theirs = cache.add_partial(f"{'b' * 64}.1234abcd.incomplete")
    (ours.parent / f"{'c' * 64}.g4run.journal").write_text("left alone")
    found = {download.etag[0]: download for download in find_unfinished(cache.hub_cache)}
    assert {etag: (download.is_ours, download.repository) for etag, download in found.items()} == {
        "a": (True, REPOSITORY),
        "b": (False, REPOSITORY),
        "c": (True, REPOSITORY),
    }
    assert found["b"].path == theirs
    if sys.platform != "win32":
        assert 8192 <= found["a"].bytes_on_disk < 1 << 20
        assert found["a"].bytes_on_disk == bytes_on_disk(ours) + bytes_on_disk(
            ours.with_name(f"{'a' * 64}.g4run.journal")
        )


def test_what_belongs_to_a_download_is_removed(cache: FakeCache) -> None:
    ours, theirs = cache.add_partial(OUR_PARTIAL), cache.add_partial(THEIR_PARTIAL)
    journal = ours.with_name(f"{'a' * 64}.g4run.journal")
    journal.write_text("journal")
    (download,) = (found for found in find_unfinished(cache.hub_cache) if found.is_ours)
    assert download.path == ours
    assert remove_unfinished(cache.hub_cache, download) is None
    assert (ours.exists(), journal.exists(), theirs.exists()) == (False, False, True)
    (download,) = find_unfinished(cache.hub_cache)
    assert remove_unfinished(cache.hub_cache, download) is None
    assert not cache.directory().exists()


def test_a_download_that_is_running_stays(cache: FakeCache) -> None:
    ours = cache.add_partial(OUR_PARTIAL)
    (download,) = find_unfinished(cache.hub_cache)
    process = hold(cache.lock_path("a" * 64))
    assert remove_unfinished(cache.hub_cache, download) == "another process is downloading it"
    process.communicate("")
    assert ours.exists()
    assert remove_unfinished(cache.hub_cache, download) is None


def test_a_cache_that_refuses_is_named_by_its_own_setting(store: Store, cache: FakeCache) -> None:
    ours = cache.add_partial(OUR_PARTIAL)
    (store.settings.hub_cache / ".locks").write_bytes(b"")
    (download,) = find_unfinished(cache.hub_cache)
    with pytest.raises(NotWritable) as caught:
        remove_unfinished(cache.hub_cache, download)
    assert caught.value.hint == "set HF_HOME to a writable directory"
    assert ours.exists()
