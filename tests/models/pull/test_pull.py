"""Pulling from a Hub: what is planned, what is fetched, and what is left when something is not right."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import hf_hub_download, scan_cache_dir
from msgspec import structs

from g4run.errors import DigestMismatch, DiskFull, InvalidModelFile, ModelNotFound, Offline, UsageError
from g4run.models.catalog.refresh import refresh_catalog
from g4run.models.hub.client import Hub
from g4run.models.import_model import import_file
from g4run.models.library import DEMO_PATH, Library
from g4run.models.pull.execution import downloaded_bytes, execute_pull
from g4run.models.pull.outdated import find_outdated
from g4run.models.pull.plan import check_space, plan_pull
from g4run.models.pull.target import PullRequest, update_request
from g4run.models.store.store import Origin, Record
from g4run.settings import Settings
from scripts.shapes.tensors import Tensor
from tests.fakes.gguf_files import foreign_file, read_gguf, split_file, write_parts
from tests.fakes.hub import FakeHub
from tests.fakes.hub_faults import FaultKind
from tests.fakes.stores import write_projector
from tests.models.pull.watching import Watching

REPOSITORY = "acme/demo-GGUF"
NAME = "hf.co/acme/demo-GGUF:Q8_0"
GOOGLE = "google/gemma-4-E2B-it-qat-q4_0-gguf"


@pytest.fixture
def demo(fake: FakeHub) -> str:
    """A repository with the built-in model and a projector; its commit."""
    return fake.add_repository(REPOSITORY, {"demo-Q8_0.gguf": DEMO_PATH})


def pull(settings: Settings, request: PullRequest, watching: Watching | None = None) -> Record:
    library, hub = Library(settings), Hub(settings)
    return execute_pull(library, hub, plan_pull(library, hub, request), watching or Watching())


def with_projector(directory: Path) -> dict[str, Path | bytes]:
    return {"demo-Q8_0.gguf": DEMO_PATH, "mmproj-demo-BF16.gguf": write_projector(directory / "mmproj-demo-BF16.gguf")}


def test_a_pulled_file_is_an_ordinary_download(fake: FakeHub, settings: Settings, demo: str) -> None:
    watching = Watching()
    record = pull(settings, PullRequest(NAME), watching)
    assert watching.events == ["planned", "started demo-Q8_0.gguf", "finished demo-Q8_0.gguf"]
    assert (record.name, record.commit, record.summary.quantization) == (NAME, demo, "Q8_0")
    assert record.digest == fake.file(REPOSITORY, "demo-Q8_0.gguf").sha256
    assert fake.sent_bytes(f"{REPOSITORY}/demo-Q8_0.gguf") == DEMO_PATH.stat().st_size
    found = hf_hub_download(REPOSITORY, "demo-Q8_0.gguf", cache_dir=settings.hub_cache, local_files_only=True)
    assert Path(found) == record.path
    cache = scan_cache_dir(settings.hub_cache)
    assert cache.warnings == []
    assert [repo.repo_id for repo in cache.repos] == [REPOSITORY]
    assert Library(settings).resolve(NAME).architecture.parameters > 1_000_000


def test_a_second_pull_fetches_nothing(fake: FakeHub, settings: Settings, demo: str) -> None:
    first = pull(settings, PullRequest(NAME))
    fake.reset()
    second = pull(settings, PullRequest(NAME))
    assert fake.sent_bytes(f"{REPOSITORY}/demo-Q8_0.gguf") == 0
    assert (second.files, second.created_at) == (first.files, first.created_at)


def test_what_huggingface_hub_fetched_is_used_in_place(fake: FakeHub, settings: Settings, demo: str) -> None:
    hf_hub_download(REPOSITORY, "demo-Q8_0.gguf", cache_dir=settings.hub_cache, endpoint=fake.endpoint)
    fake.reset()
    watching = Watching()
    record = pull(settings, PullRequest(NAME), watching)
    assert fake.sent_bytes(f"{REPOSITORY}/demo-Q8_0.gguf") == 0
    assert "verifying demo-Q8_0.gguf" in watching.events
    assert record.files[0].origin is Origin.FOUND


def test_a_damaged_file_in_the_cache_is_fetched_again(fake: FakeHub, settings: Settings, demo: str) -> None:
    path = Path(hf_hub_download(REPOSITORY, "demo-Q8_0.gguf", cache_dir=settings.hub_cache, endpoint=fake.endpoint))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    watching = Watching()
    record = pull(settings, PullRequest(NAME), watching)
    assert watching.events.count("verifying demo-Q8_0.gguf") == 1
    assert record.path.read_bytes() == DEMO_PATH.read_bytes()
    assert record.files[0].origin is Origin.DOWNLOADED


def test_a_file_without_a_digest_is_asked_for_once_to_plan_it(fake: FakeHub, settings: Settings, demo: str) -> None:
    listing = {"id": REPOSITORY, "sha": demo, "siblings": [{"rfilename": "demo-Q8_0.gguf"}]}
    fake.replace_api(json.dumps(listing).encode())
    (file,) = plan_pull(Library(settings), Hub(settings), PullRequest(NAME)).files
    assert (file.sha256, file.size_bytes, file.source) == (None, DEMO_PATH.stat().st_size, "download")
    assert [request.method for request in fake.requests if "/resolve/" in request.path] == ["HEAD"]


def test_offline_what_is_in_the_cache_gets_its_name(fake: FakeHub, settings: Settings, demo: str) -> None:
    hf_hub_download(REPOSITORY, "demo-Q8_0.gguf", cache_dir=settings.hub_cache, endpoint=fake.endpoint)
    fake.reset()
    record = pull(structs.replace(settings, is_offline=True), PullRequest(NAME))
    assert (record.name, record.commit, record.files[0].origin) == (NAME, demo, Origin.FOUND)
    assert fake.requests == ()


def test_offline_nothing_is_fetched(fake: FakeHub, settings: Settings, demo: str) -> None:
    with pytest.raises(Offline, match="acme/demo-GGUF is not in the cache"):
        pull(structs.replace(settings, is_offline=True), PullRequest(NAME))
    assert fake.requests == ()


def test_a_file_of_lm_studio_is_used_in_place(fake: FakeHub, settings: Settings, demo: str) -> None:
    there = settings.home_directory / ".lmstudio/models/acme/demo-GGUF/demo-Q8_0.gguf"
    there.parent.mkdir(parents=True)
    there.write_bytes(DEMO_PATH.read_bytes())
    record = pull(settings, PullRequest(NAME))
    assert (record.path, record.files[0].origin) == (there, Origin.FOUND)
    assert fake.sent_bytes(f"{REPOSITORY}/demo-Q8_0.gguf") == 0
    assert not (settings.hub_cache / "models--acme--demo-GGUF").exists()


def test_the_projector_comes_along_unless_it_is_not_wanted(fake: FakeHub, settings: Settings, tmp_path: Path) -> None:
    fake.add_repository(REPOSITORY, with_projector(tmp_path))
    alone = pull(settings, PullRequest(NAME, with_projector=False))
    assert (alone.projector, fake.sent_bytes(f"{REPOSITORY}/mmproj-demo-BF16.gguf")) == (None, 0)
    both = pull(settings, PullRequest(NAME))
    assert both.projector is not None
    assert both.projector.repository_path == "mmproj-demo-BF16.gguf"


def test_a_drafter_that_is_not_there_is_said(settings: Settings, demo: str) -> None:
    with pytest.raises(ModelNotFound, match="acme/demo-GGUF has no drafter"):
        pull(settings, PullRequest(NAME, with_drafter=True))


def test_shards_are_one_model(fake: FakeHub, settings: Settings, tmp_path: Path) -> None:
    parts = write_parts(split_file(read_gguf(DEMO_PATH), 30, 30), tmp_path, DEMO_PATH)
    fake.add_repository(REPOSITORY, {f"Q8_0/{part.name}": part for part in parts})
    record = pull(settings, PullRequest("hf.co/acme/demo-GGUF"))
    assert len(record.model_files) == len(parts) >= 2
    whole, split = Library(settings).resolve("demo"), Library(settings).resolve("hf.co/acme/demo-GGUF")
    assert split.architecture == whole.architecture
    assert split.path == record.path


def test_bytes_that_are_not_the_announced_ones_get_no_name(fake: FakeHub, settings: Settings, demo: str) -> None:
    fake.fault(FaultKind.FLIP, 100_000, path="*/demo-Q8_0.gguf", times=None)
    with pytest.raises(DigestMismatch, match="sha256"):
        pull(settings, PullRequest(NAME))
    assert Library(settings).store.records() == ()
    assert [path.name for path in settings.hub_cache.rglob("*") if path.is_file() and path.stat().st_size > 200] == []


def test_a_file_of_another_architecture_gets_no_name_and_is_not_kept(
    fake: FakeHub, settings: Settings, tmp_path: Path
) -> None:
    fake.add_repository(REPOSITORY, {"llama-Q8_0.gguf": foreign_file().write(tmp_path / "llama-Q8_0.gguf", "random")})
    with pytest.raises(InvalidModelFile, match=r"llama-Q8_0\.gguf"):
        pull(settings, PullRequest("hf.co/acme/demo-GGUF"))
    assert Library(settings).store.records() == ()
    assert not list(settings.hub_cache.rglob("*.gguf"))
    assert scan_cache_dir(settings.hub_cache).warnings == []


def test_a_large_file_of_another_architecture_is_refused_by_its_header(
    fake: FakeHub, settings: Settings, tmp_path: Path
) -> None:
    foreign = foreign_file("qwen3")
    large = replace(foreign, tensors=(*foreign.tensors, Tensor("large", (1024, 150_000), "F32")))
    fake.add_repository(REPOSITORY, {"qwen-Q8_0.gguf": large.write(tmp_path / "qwen-Q8_0.gguf")})
    with pytest.raises(InvalidModelFile, match=r"qwen-Q8_0\.gguf: this is a model of architecture 'qwen3'"):
        pull(settings, PullRequest(NAME))
    assert fake.sent_bytes() < 50_000_000
    assert not (settings.hub_cache / "models--acme--demo-GGUF").exists()


def test_an_update_that_fails_leaves_the_name_as_it_was(
    fake: FakeHub, settings: Settings, demo: str, tmp_path: Path
) -> None:
    before = pull(settings, PullRequest(NAME))
    fake.add_revision(REPOSITORY, {"demo-Q8_0.gguf": foreign_file().write(tmp_path / "other.gguf", "random")})
    with pytest.raises(InvalidModelFile):
        pull(settings, update_request(before))
    assert Library(settings).store.records() == (before,)
    assert Library(settings).resolve(NAME).path.read_bytes() == DEMO_PATH.read_bytes()


def test_no_room_is_said_before_the_first_byte(fake: FakeHub, settings: Settings, demo: str) -> None:
    library, hub = Library(settings), Hub(settings)
    plan = plan_pull(library, hub, PullRequest(NAME))
    assert plan.download_bytes == plan.total_bytes == DEMO_PATH.stat().st_size
    check_space(plan)
    with pytest.raises(DiskFull, match=r"needs 3\.3 MB in .*, which has 1\.0 MB free"):
        execute_pull(library, hub, replace(plan, free_bytes=1_000_000), Watching())
    assert fake.sent_bytes() == 0 or fake.sent_bytes(f"{REPOSITORY}/demo-Q8_0.gguf") == 0


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("hf.co/acme/demo-GGUF:Q6_K", "acme/demo-GGUF has no Q6_K", "there is Q8_0"),
        ("hf.co/acme/demo-GGUF/demo-Q8.gguf", "acme/demo-GGUF has no file demo-Q8.gguf", "there is demo-Q8_0.gguf"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(
    settings: Settings, demo: str, name: str, message: str, hint: str
) -> None:
    with pytest.raises(ModelNotFound) as caught:
        pull(settings, PullRequest(name))
    assert (caught.value.message, caught.value.hint) == (message, hint)
    assert caught.value.pointer is not None


@pytest.mark.parametrize("name", ["demo", "./file.gguf"])
def test_what_is_not_on_the_hub_cannot_be_pulled(settings: Settings, name: str) -> None:
    with pytest.raises(UsageError):
        pull(settings, PullRequest(name))


def test_a_newer_upload_than_the_catalog_knows_is_pulled_with_a_warning(fake: FakeHub, settings: Settings) -> None:
    commit = fake.add_repository(GOOGLE, {"gemma-4-E2B_q4_0-it.gguf": DEMO_PATH})
    library, hub = Library(settings), Hub(settings)
    plan = plan_pull(library, hub, PullRequest("gemma4:e2b"))
    (note,) = [note for note in plan.notes if "newer file, verified by the Hub's digest" in note]
    assert note.startswith("gemma-4-E2B_q4_0-it.gguf has ")
    record = execute_pull(library, hub, plan, Watching())
    assert (record.commit, record.path.read_bytes()) == (commit, DEMO_PATH.read_bytes())


def test_a_newer_upload_is_refused_if_its_bytes_are_not_the_announced_ones(fake: FakeHub, settings: Settings) -> None:
    fake.add_repository(GOOGLE, {"gemma-4-E2B_q4_0-it.gguf": DEMO_PATH})
    fake.fault(FaultKind.FLIP, 100_000, path="*/gemma-4-E2B_q4_0-it.gguf", times=None)
    with pytest.raises(DigestMismatch, match="sha256"):
        pull(settings, PullRequest("gemma4:e2b"))
    assert Library(settings).store.records() == ()


def test_a_revision_that_was_asked_for_is_taken_as_it_is(fake: FakeHub, settings: Settings) -> None:
    fake.add_repository(GOOGLE, {"gemma-4-E2B_q4_0-it.gguf": DEMO_PATH})
    record = pull(settings, PullRequest("gemma4:e2b", revision="main"))
    assert (record.name, record.repository) == ("gemma4:e2b", GOOGLE)
    assert Library(settings).resolve("gemma4:e2b-it-qat").record == record


def test_the_revision_that_the_catalog_knows_can_be_pulled(fake: FakeHub, settings: Settings, tmp_path: Path) -> None:
    commit = fake.add_repository(GOOGLE, {"gemma-4-E2B_q4_0-it.gguf": DEMO_PATH})
    refresh_catalog(settings.data_directory, Hub(settings).list_repository)
    fake.add_revision(GOOGLE, {"gemma-4-E2B_q4_0-it.gguf": foreign_file().write(tmp_path / "new.gguf", "random")})
    library, hub = Library(settings), Hub(settings)
    newer = plan_pull(library, hub, PullRequest("gemma4:e2b"))
    assert newer.commit != commit
    assert any(f"--revision {commit}` pulls the catalog's file" in note for note in newer.notes)
    plan = plan_pull(library, hub, PullRequest("gemma4:e2b", revision=commit))
    assert plan.commit == commit
    record = execute_pull(library, hub, plan, Watching())
    assert (record.name, record.commit) == ("gemma4:e2b", commit)


def test_outdated_compares_the_files_in_use(fake: FakeHub, settings: Settings, demo: str) -> None:
    library, hub = Library(settings), Hub(settings)
    pull(settings, PullRequest(NAME))
    newest = fake.add_revision(REPOSITORY, {"README.md": b"new words"})
    (found,) = find_outdated(library, hub)
    assert (found.is_outdated, found.newest_commit) == (False, newest)


def test_an_imported_model_is_not_outdated_by_anything(fake: FakeHub, settings: Settings) -> None:
    library, hub = Library(settings), Hub(settings)
    import_file(library.store, DEMO_PATH, "mine")
    assert find_outdated(library, hub) == ()
    with pytest.raises(UsageError, match=r"mine was imported from .*, not pulled"):
        find_outdated(library, hub, ["mine"])


def test_an_update_frees_the_old_file(fake: FakeHub, settings: Settings, demo: str, tmp_path: Path) -> None:
    before = pull(settings, PullRequest(NAME))
    newer = read_gguf(DEMO_PATH).write(tmp_path / "newer.gguf", "random")
    commit = fake.add_revision(REPOSITORY, {"demo-Q8_0.gguf": newer})
    after = pull(settings, update_request(before))
    assert (after.commit, after.created_at) == (commit, before.created_at)
    assert not before.path.exists()
    assert after.path.read_bytes() == newer.read_bytes()
    assert scan_cache_dir(settings.hub_cache).warnings == []


def test_what_is_kept_of_a_stopped_pull_can_be_told(fake: FakeHub, settings: Settings, demo: str) -> None:
    library, hub = Library(settings), Hub(settings)
    plan = plan_pull(library, hub, PullRequest(NAME))
    assert downloaded_bytes(plan) == 0
    execute_pull(library, hub, plan, Watching())
    assert downloaded_bytes(plan) == plan.total_bytes
