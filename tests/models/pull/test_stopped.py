"""What a pull that was stopped leaves behind, and whose its files are when it is taken up again."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from huggingface_hub import hf_hub_download, scan_cache_dir

from g4run.errors import G4RunError, NotWritable
from g4run.models.hub.client import Hub
from g4run.models.hub_cache.locks import blob_lock
from g4run.models.library import DEMO_PATH, Library
from g4run.models.pull.execution import execute_pull
from g4run.models.pull.plan import PlannedFile, plan_pull
from g4run.models.pull.target import PullRequest
from g4run.models.store.records import Entry
from g4run.models.store.removal import remove
from g4run.models.store.store import Origin, Record
from g4run.models.store.usage import RemovedPartial, measure_usage, prune
from g4run.settings import Settings
from tests.fakes.gguf_files import read_gguf
from tests.fakes.hub import FakeHub
from tests.fakes.stores import write_projector
from tests.models.pull.watching import Watching

REPOSITORY = "acme/demo-GGUF"
NAME = "hf.co/acme/demo-GGUF:Q8_0"


@dataclass(slots=True)
class StoppingAt(Watching):
    """A person who presses Ctrl-C when the projector's turn comes."""

    def started(self, file: PlannedFile) -> None:
        if file.path.startswith("mmproj"):
            raise KeyboardInterrupt


@dataclass(slots=True)
class Removing(Watching):
    """Another process that looks for the lock of what is being checked, and removes it where there is none."""

    cache: Path = Path()
    removes: bool = False
    was_free: bool | None = None

    def started(self, file: PlannedFile) -> None:
        if self.removes:
            for path in (*self.cache.rglob("demo-Q8_0.gguf"), *self.cache.rglob(file.sha256 or "-")):
                path.unlink()

    def finished(self, file: PlannedFile, path: Path) -> None:
        with blob_lock(self.cache / "models--acme--demo-GGUF", file.sha256 or "-") as is_held:
            self.was_free = is_held


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeHub]:
    projector = write_projector(tmp_path / "mmproj-demo-BF16.gguf")
    with FakeHub() as hub:
        hub.add_repository(REPOSITORY, {"demo-Q8_0.gguf": DEMO_PATH, "mmproj-demo-BF16.gguf": projector})
        yield hub


def pull(settings: Settings, watching: Watching, *, with_projector: bool = True) -> Record:
    library, hub = Library(settings), Hub(settings)
    plan = plan_pull(library, hub, PullRequest(NAME, with_projector=with_projector))
    return execute_pull(library, hub, plan, watching)


def files_of(settings: Settings) -> list[str]:
    return sorted(path.name for path in settings.hub_cache.rglob("*") if path.name.endswith(".gguf"))


def download_as_another_program(fake: FakeHub, settings: Settings) -> Path:
    cache = settings.hub_cache
    return Path(hf_hub_download(REPOSITORY, "demo-Q8_0.gguf", cache_dir=cache, endpoint=fake.endpoint))


def test_files_of_a_pull_that_was_stopped_between_two_are_ours(settings: Settings) -> None:
    with pytest.raises(KeyboardInterrupt):
        pull(settings, StoppingAt())
    assert files_of(settings) == ["demo-Q8_0.gguf"]
    record = pull(settings, Watching())
    assert [file.origin for file in record.files] == [Origin.DOWNLOADED, Origin.DOWNLOADED]
    (removal,) = remove(Library(settings).store, [NAME])
    assert (removal.freed_bytes, removal.kept) == (record.size_bytes, ())
    assert files_of(settings) == []


def clear(settings: Settings) -> tuple[RemovedPartial, ...]:
    return prune(settings, Library(settings).store).partials


def test_whole_files_of_a_stopped_pull_count_as_unfinished_and_can_be_removed(settings: Settings) -> None:
    store = Library(settings).store
    with pytest.raises(KeyboardInterrupt):
        pull(settings, StoppingAt())
    assert measure_usage(settings, store).partial_bytes == DEMO_PATH.stat().st_size
    would = prune(settings, store, is_dry_run=True)
    assert files_of(settings) == ["demo-Q8_0.gguf"]
    assert clear(settings) == would.partials
    (removed,) = would.partials
    assert (removed.freed_bytes, removed.is_ours, removed.kept) == (DEMO_PATH.stat().st_size, True, None)
    assert files_of(settings) == []
    assert scan_cache_dir(settings.hub_cache).warnings == []
    assert measure_usage(settings, store).partial_bytes == 0
    assert clear(settings) == ()
    assert store.find_entry(NAME) is None


def test_a_name_whose_pull_was_stopped_can_be_removed(fake: FakeHub, settings: Settings) -> None:
    store = Library(settings).store
    with pytest.raises(KeyboardInterrupt):
        pull(settings, StoppingAt())
    blob = (settings.hub_cache / "models--acme--demo-GGUF" / "blobs" / "x").with_name(
        f"{fake.file(REPOSITORY, 'mmproj-demo-BF16.gguf').sha256}.g4run.incomplete"
    )
    blob.write_bytes(bytes(100_000))
    (removal,) = remove(store, [NAME])
    assert removal.freed_bytes >= DEMO_PATH.stat().st_size + 100_000
    assert (files_of(settings), blob.exists(), store.find_entry(NAME)) == ([], False, None)


def test_whole_files_of_a_running_pull_stay(fake: FakeHub, settings: Settings) -> None:
    with pytest.raises(KeyboardInterrupt):
        pull(settings, StoppingAt())
    digest = fake.file(REPOSITORY, "demo-Q8_0.gguf").sha256
    with blob_lock(settings.hub_cache / "models--acme--demo-GGUF", digest):
        (kept,) = clear(settings)
        assert kept.kept == "another process is downloading it"
        entry = Library(settings).store.find_entry(NAME)
        assert entry is not None
        assert [file.sha256 for file in entry.pulling if file.modified_ns] == [digest]
    assert files_of(settings) == ["demo-Q8_0.gguf"]


def test_what_has_a_name_or_another_owner_is_not_abandoned(fake: FakeHub, settings: Settings) -> None:
    pull(settings, Watching())
    assert clear(settings) == ()
    remove(Library(settings).store, [NAME])
    download_as_another_program(fake, settings)
    assert clear(settings) == ()
    assert files_of(settings) == ["demo-Q8_0.gguf"]


def test_the_store_says_what_is_being_pulled_until_it_is_complete(settings: Settings) -> None:
    store = Library(settings).store
    with pytest.raises(KeyboardInterrupt):
        pull(settings, StoppingAt())
    entry = store.find_entry(NAME)
    assert entry is not None
    assert (entry.record, store.find(NAME), store.read()) == (None, None, ((), ()))
    assert {file.repository_path: file.modified_ns is not None for file in entry.pulling} == {
        "demo-Q8_0.gguf": True,
        "mmproj-demo-BF16.gguf": False,
    }
    record = pull(settings, Watching())
    assert store.find_entry(NAME) == Entry(NAME, record)
    assert sorted(path.name for path in settings.data_directory.iterdir()) == ["models"]


def test_what_a_stopped_pull_brought_goes_where_the_name_gets_other_files(
    fake: FakeHub, settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        pull(settings, StoppingAt())
    newer = read_gguf(DEMO_PATH).write(tmp_path / "newer.gguf", "random")
    commit = fake.add_revision(REPOSITORY, {"demo-Q8_0.gguf": newer})
    record = pull(settings, Watching())
    assert record.commit == commit
    assert [path.parent.name for path in settings.hub_cache.rglob("demo-Q8_0.gguf")] == [commit]
    assert scan_cache_dir(settings.hub_cache).warnings == []


def test_a_name_stays_usable_while_an_update_is_stopped(fake: FakeHub, settings: Settings, tmp_path: Path) -> None:
    store = Library(settings).store
    before = pull(settings, Watching(), with_projector=False)
    fake.add_revision(REPOSITORY, {"demo-Q8_0.gguf": read_gguf(DEMO_PATH).write(tmp_path / "newer.gguf", "random")})
    with pytest.raises(KeyboardInterrupt):
        pull(settings, StoppingAt())
    entry = store.find_entry(NAME)
    assert entry is not None
    assert (store.find(NAME), len(entry.pulling)) == (before, 2)
    assert Library(settings).resolve(NAME).path == before.path
    assert len(clear(settings)) == 1
    assert store.find_entry(NAME) == Entry(NAME, before)


def test_what_another_program_fetched_after_a_stopped_pull_is_not_ours(fake: FakeHub, settings: Settings) -> None:
    with pytest.raises(KeyboardInterrupt):
        pull(settings, StoppingAt())
    for path in settings.hub_cache.rglob("*"):
        if path.is_file() or path.is_symlink():
            path.unlink()
    download_as_another_program(fake, settings)
    assert pull(settings, Watching()).files[0].origin is Origin.FOUND


def test_a_file_that_was_touched_stays_ours(settings: Settings) -> None:
    before = pull(settings, Watching(), with_projector=False)
    before.path.touch()
    watching = Watching()
    after = pull(settings, watching, with_projector=False)
    assert "verifying demo-Q8_0.gguf" in watching.events
    assert after.files == before.files


def test_a_file_that_is_here_is_locked_until_it_has_its_name(fake: FakeHub, settings: Settings) -> None:
    download_as_another_program(fake, settings)
    removing = Removing(cache=settings.hub_cache)
    pull(settings, removing, with_projector=False)
    assert removing.was_free is False


def test_a_file_that_was_removed_after_the_plan_is_fetched(fake: FakeHub, settings: Settings) -> None:
    download_as_another_program(fake, settings)
    record = pull(settings, Removing(cache=settings.hub_cache, removes=True), with_projector=False)
    assert record.path.read_bytes() == DEMO_PATH.read_bytes()


def test_a_store_that_cannot_be_written_is_said_before_the_first_byte(fake: FakeHub, settings: Settings) -> None:
    settings.data_directory.write_text("a file, where a directory should be")
    with pytest.raises(NotWritable):
        pull(settings, Watching())
    assert fake.sent_bytes(f"{REPOSITORY}/demo-Q8_0.gguf") == 0


def test_a_file_that_cannot_be_read_is_said(fake: FakeHub, settings: Settings) -> None:
    """A blob that links to itself is one that nobody, root included, can open."""
    path = download_as_another_program(fake, settings)
    library, hub = Library(settings), Hub(settings)
    plan = plan_pull(library, hub, PullRequest(NAME, with_projector=False))
    blob = path.resolve()
    watching = BreakingAtVerifying(blob=blob)
    with pytest.raises(G4RunError, match=r"cannot read .*demo-Q8_0") as caught:
        execute_pull(library, hub, plan, watching)
    assert caught.value.hint
    assert library.store.records() == ()


@dataclass(slots=True)
class BreakingAtVerifying(Watching):
    """The moment between a look at a file and its opening."""

    blob: Path = Path()

    def verifying(self, file: PlannedFile) -> None:
        self.blob.unlink()
        self.blob.symlink_to(self.blob)


def test_bytes_that_a_name_of_ours_has_in_another_repository_are_freed_with_the_last_name(
    fake: FakeHub, settings: Settings
) -> None:
    fake.add_repository("acme/again-GGUF", {"again-Q8_0.gguf": DEMO_PATH})
    first = pull(settings, Watching(), with_projector=False)
    library, hub = Library(settings), Hub(settings)
    again = "hf.co/acme/again-GGUF:Q8_0"
    second = execute_pull(library, hub, plan_pull(library, hub, PullRequest(again)), Watching())
    assert (second.path, second.files[0].origin) == (first.path, Origin.DOWNLOADED)
    assert remove(library.store, [NAME])[0].freed_bytes == 0
    assert remove(library.store, [again])[0].freed_bytes == first.size_bytes
    assert files_of(settings) == []


def test_a_file_in_another_repository_is_locked_until_the_name_is_there(fake: FakeHub, settings: Settings) -> None:
    fake.add_repository("acme/again-GGUF", {"again-Q8_0.gguf": DEMO_PATH})
    pull(settings, Watching(), with_projector=False)
    library, hub = Library(settings), Hub(settings)
    removing = Removing(cache=settings.hub_cache)
    execute_pull(library, hub, plan_pull(library, hub, PullRequest("hf.co/acme/again-GGUF")), removing)
    assert removing.was_free is False
