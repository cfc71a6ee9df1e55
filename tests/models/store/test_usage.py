import os
import sys
import time
from pathlib import Path

import pytest

from g4run.errors import NotWritable
from g4run.models.copy_name import copy_name
from g4run.models.hub_cache.unfinished import bytes_on_disk
from g4run.models.import_model import import_file
from g4run.models.quantizations import FileRole
from g4run.models.store.store import Store
from g4run.models.store.usage import ModelUsage, measure_usage, prune
from tests.fakes.stores import (
    OUR_PARTIAL,
    THEIR_PARTIAL,
    FakeCache,
    downloaded,
    hold,
    record_of,
    write_model,
    write_projector,
)


def age(path: Path, days: float) -> None:
    moment = time.time() - days * 86400
    os.utime(path, (moment, moment))


def test_each_file_counts_once(store: Store, cache: FakeCache, tmp_path: Path) -> None:
    model, projector = write_model(tmp_path / "m.gguf"), write_projector(tmp_path / "p.gguf")
    weights = downloaded(cache.add("m.gguf", model))
    sight = downloaded(cache.add("p.gguf", projector), FileRole.PROJECTOR)
    store.save(record_of("a", weights, sight))
    store.save(record_of("b", weights))
    usage = measure_usage(store.settings, store)
    model_bytes, projector_bytes = model.stat().st_size, projector.stat().st_size
    assert usage.models == (
        ModelUsage("a", model_bytes + projector_bytes, projector_bytes, ()),
        ModelUsage("b", model_bytes, 0, ()),
    )
    assert usage.total_bytes == model_bytes + projector_bytes
    assert usage.directory == store.settings.hub_cache
    assert usage.free_bytes


def test_an_empty_store_uses_nothing(store: Store) -> None:
    usage = measure_usage(store.settings, store)
    assert (usage.models, usage.total_bytes, usage.partial_bytes, usage.header_cache_bytes) == ((), 0, 0, 0)
    assert usage.free_bytes, "the file system of the nearest directory that exists"


def test_holes_and_unfinished_downloads_are_told_apart(store: Store, cache: FakeCache) -> None:
    ours, theirs = cache.add_partial(OUR_PARTIAL, 1 << 30), cache.add_partial(THEIR_PARTIAL)
    usage = measure_usage(store.settings, store)
    assert (usage.partial_bytes, usage.foreign_partial_bytes) == (bytes_on_disk(ours), bytes_on_disk(theirs))
    if sys.platform != "win32":
        assert usage.partial_bytes < 1 << 20


def test_a_vanished_file_is_named(store: Store, tmp_path: Path) -> None:
    model = write_model(tmp_path / "m.gguf")
    import_file(store, model)
    copy_name(store, "m", "n")
    model.unlink()
    assert {(found.name, found.size_bytes, found.missing) for found in measure_usage(store.settings, store).models} == {
        ("m", 0, (model,)),
        ("n", 0, (model,)),
    }
    assert sorted(prune(store.settings, store).vanished) == ["m", "n"]
    assert len(store.records()) == 2


def test_only_what_nobody_misses_is_cleared_away(store: Store, cache: FakeCache, tmp_path: Path) -> None:
    record = import_file(store, write_model(tmp_path / "m.gguf"))
    old, fresh = cache.add_partial(OUR_PARTIAL), cache.add_partial(OUR_PARTIAL.replace("a", "c", 64), repository="x/y")
    theirs = cache.add_partial(THEIR_PARTIAL)
    data = store.settings.data_directory
    header = data / "headers" / "ab" / "header.bin"
    header.parent.mkdir(parents=True)
    header.write_bytes(bytes(5000))
    left, stale, running = store.directory / ".1-2.tmp", data / "logs" / ".1-2.tmp", data / "logs" / ".3-4.tmp"
    stale.parent.mkdir()
    for path in (left, stale, running):
        path.write_bytes(bytes(10))
    for path in (old, theirs, stale):
        age(path, 8)
    process = hold(cache.lock_path("c" * 64, "x/y"))
    pruned = prune(store.settings, store)
    process.communicate("")
    assert {partial.path: partial.kept for partial in pruned.partials} == {
        old: None,
        fresh: "another process is downloading it",
        theirs: "it is another program's: `hf cache prune` removes it",
    }
    assert [path.exists() for path in (old, header, left, stale)] == [False] * 4
    assert [path.exists() for path in (fresh, theirs, running, record.path)] == [True] * 4
    assert pruned.vanished == ()
    assert pruned.header_bytes >= 5000 or sys.platform == "win32"
    partial_bytes = sum(partial.freed_bytes for partial in pruned.partials)
    assert pruned.freed_bytes == pruned.header_bytes + pruned.temporary_bytes + partial_bytes
    assert {partial.path for partial in prune(store.settings, store).partials if partial.is_ours} == {fresh}
    assert not fresh.exists()


def test_clearing_an_empty_store_makes_nothing(store: Store) -> None:
    assert prune(store.settings, store).freed_bytes == 0
    assert not store.settings.data_directory.exists()


def test_a_cache_that_refuses_is_named_by_its_own_setting(store: Store, cache: FakeCache) -> None:
    stray = cache.directory() / ".g4run-0123456789ab"
    stray.mkdir(parents=True)
    age(stray, 8)
    with pytest.raises(NotWritable) as caught:
        prune(store.settings, store)
    assert caught.value.hint == "set HF_HOME to a writable directory"


def test_what_killed_writers_left_anywhere_in_the_data_directory_is_cleared_away(store: Store) -> None:
    data = store.settings.data_directory
    left = [data / ".1-2.tmp", data / "downloads" / ".1-2.tmp"]
    running = data / "downloads" / ".3-4.tmp"
    for path in (*left, running):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(10))
    for path in left:
        age(path, 8)
    would = prune(store.settings, store, is_dry_run=True)
    assert would.temporary_bytes > 0
    assert prune(store.settings, store).temporary_bytes == would.temporary_bytes
    assert [path.exists() for path in (*left, running)] == [False, False, True]
