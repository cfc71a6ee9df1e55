"""Pulls of other commits than the newest, of files from two repositories, and what the cache then says of branches."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from huggingface_hub import hf_hub_download
from msgspec.structs import replace

from g4run.errors import InvalidModelFile, ModelNotFound
from g4run.models.catalog.refresh import refresh_catalog
from g4run.models.copy_name import copy_name
from g4run.models.hub.client import Hub
from g4run.models.library import DEMO_PATH, Library
from g4run.models.pull.execution import execute_pull
from g4run.models.pull.plan import plan_pull
from g4run.models.pull.target import PullRequest, update_request
from g4run.models.store.store import Record
from g4run.settings import Settings
from tests.fakes.gguf_files import foreign_file
from tests.fakes.hub import FakeHub
from tests.models.pull.watching import Watching

GOOGLE = "google/gemma-4-E2B-it-qat-q4_0-gguf"
GOOGLE_FILE = "gemma-4-E2B_q4_0-it.gguf"
DRAFTERS = "unsloth/gemma-4-E2B-it-qat-GGUF"
DRAFTER_FILE = "mtp-gemma-4-E2B-it.gguf"


def pull(settings: Settings, request: PullRequest) -> Record:
    library, hub = Library(settings), Hub(settings)
    return execute_pull(library, hub, plan_pull(library, hub, request), Watching())


def refs_of(settings: Settings, repository: str) -> Mapping[str, str]:
    refs = settings.hub_cache / f"models--{repository.replace('/', '--')}" / "refs"
    return {path.name: path.read_text() for path in refs.iterdir()} if refs.is_dir() else {}


def add_model_and_drafter(fake: FakeHub, directory: Path) -> str:
    """Two repositories, as the default names have them; the commit of the drafter's."""
    drafter = foreign_file("gemma4-assistant").write(directory / DRAFTER_FILE, "random")
    fake.add_repository(GOOGLE, {GOOGLE_FILE: DEMO_PATH})
    return fake.add_repository(DRAFTERS, {DRAFTER_FILE: drafter})


def test_an_update_keeps_what_came_from_another_repository(fake: FakeHub, settings: Settings, tmp_path: Path) -> None:
    add_model_and_drafter(fake, tmp_path)
    before = pull(settings, PullRequest("gemma4:e2b", revision="main", with_drafter=True))
    after = pull(settings, update_request(before))
    assert after.drafter is not None
    assert after.files == before.files


def test_a_name_of_ones_own_is_pulled_with_what_came_from_another_repository(
    fake: FakeHub, settings: Settings, tmp_path: Path
) -> None:
    add_model_and_drafter(fake, tmp_path)
    before = pull(settings, PullRequest("gemma4:e2b", revision="main", with_drafter=True))
    copy_name(Library(settings).store, "gemma4:e2b", "mine")
    assert pull(settings, PullRequest("mine", with_drafter=True)).files == before.files


def test_a_revision_is_noted_for_the_repository_that_has_it(fake: FakeHub, settings: Settings, tmp_path: Path) -> None:
    commit = add_model_and_drafter(fake, tmp_path)
    tagged = fake.add_revision(GOOGLE, {"README.md": b"words"}, "v2")
    pull(settings, PullRequest("gemma4:e2b", revision="v2", with_drafter=True))
    assert refs_of(settings, GOOGLE) == {"v2": tagged}
    assert refs_of(settings, DRAFTERS) == {"main": commit}


def test_an_older_commit_is_not_noted_as_the_branch(fake: FakeHub, settings: Settings, tmp_path: Path) -> None:
    older = fake.add_repository(GOOGLE, {GOOGLE_FILE: DEMO_PATH})
    refresh_catalog(settings.data_directory, Hub(settings).list_repository)
    newer = foreign_file().write(tmp_path / "new.gguf", "random")
    newest = fake.add_revision(GOOGLE, {GOOGLE_FILE: newer})
    hf_hub_download(GOOGLE, GOOGLE_FILE, cache_dir=settings.hub_cache, endpoint=fake.endpoint)
    assert pull(settings, PullRequest("gemma4:e2b", revision=older)).commit == older
    assert refs_of(settings, GOOGLE) == {"main": newest}


def test_offline_a_repository_is_found_in_any_spelling(fake: FakeHub, settings: Settings) -> None:
    fake.add_repository("acme/demo-GGUF", {"demo-Q8_0.gguf": DEMO_PATH})
    before = pull(settings, PullRequest("hf.co/acme/demo-GGUF"))
    offline = replace(settings, is_offline=True)
    record = pull(offline, PullRequest("hf.co/ACME/Demo-gguf:q8_0"))
    assert (record.repository, record.files) == ("acme/demo-GGUF", before.files)
    assert [path.name for path in settings.hub_cache.glob("models--*")] == ["models--acme--demo-GGUF"]


def test_a_damaged_copy_in_a_snapshot_is_replaced(fake: FakeHub, settings: Settings) -> None:
    """As on a system without links, or where somebody put a file in the place of a link."""
    fake.add_repository("acme/demo-GGUF", {"demo-Q8_0.gguf": DEMO_PATH})
    path = Path(
        hf_hub_download("acme/demo-GGUF", "demo-Q8_0.gguf", cache_dir=settings.hub_cache, endpoint=fake.endpoint)
    )
    path.unlink()
    path.write_bytes(b"\0" * DEMO_PATH.stat().st_size)
    record = pull(settings, PullRequest("hf.co/acme/demo-GGUF"))
    assert record.path.read_bytes() == DEMO_PATH.read_bytes()


@pytest.mark.parametrize("content", [b"no GGUF at all", None])
def test_a_projector_that_is_none_is_said_with_the_way_around(
    fake: FakeHub, settings: Settings, tmp_path: Path, content: bytes | None
) -> None:
    other = foreign_file("llama").write(tmp_path / "other.gguf")
    fake.add_repository("acme/demo-GGUF", {"demo-Q8_0.gguf": DEMO_PATH, "mmproj-F16.gguf": content or other})
    with pytest.raises(InvalidModelFile, match=r"mmproj-F16\.gguf") as caught:
        pull(settings, PullRequest("hf.co/acme/demo-GGUF"))
    assert caught.value.hint == "pull without it: --no-projector"
    assert Library(settings).store.records() == ()
    assert pull(settings, PullRequest("hf.co/acme/demo-GGUF", with_projector=False)).projector is None


def test_what_is_no_model_is_said_with_what_is(fake: FakeHub, settings: Settings) -> None:
    fake.add_repository("acme/demo-GGUF", {"demo-Q8_0.gguf": b"no GGUF at all"})
    with pytest.raises(InvalidModelFile, match=r"demo-Q8_0\.gguf: this is not a GGUF file") as caught:
        pull(settings, PullRequest("hf.co/acme/demo-GGUF"))
    assert caught.value.hint == "`g4run list --available` lists models that g4run runs"


def test_a_projector_is_not_pulled_as_a_model(fake: FakeHub, settings: Settings) -> None:
    fake.add_repository("acme/demo-GGUF", {"demo-Q8_0.gguf": DEMO_PATH, "mmproj-F16.gguf": b"GGUF"})
    with pytest.raises(ModelNotFound, match=r"^mmproj-F16\.gguf is a projector$") as caught:
        pull(settings, PullRequest("hf.co/acme/demo-GGUF/MMPROJ-f16.gguf"))
    assert caught.value.hint == "there is demo-Q8_0.gguf"
