"""Refreshing the catalog, the file that a refresh writes, and unknown repositories."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from g4run.errors import AccessDenied, G4RunError, NetworkError, NotWritable, Offline
from g4run.models.catalog.catalog import Catalog, read_catalog
from g4run.models.catalog.live import catalog_entries
from g4run.models.catalog.refresh import refresh_catalog
from g4run.models.names.types import FamilyName, HubName, Size
from g4run.models.remote_files import RemoteFile, RemoteRepository
from tests.models.catalog.test_catalog import resolve

PLAIN_31B = "unsloth/gemma-4-31B-it-GGUF"
GOOGLE_26B = "google/gemma-4-26B-A4B-it-qat-q4_0-gguf"
DIGEST = "ab" * 32
SIZE = " - at `$.repositories[...].files[0].size_bytes`"


def repository(name: str, *paths: str, commit: str = "c" * 40, size_bytes: int | None = 1000) -> RemoteRepository:
    return RemoteRepository(name, commit, tuple(RemoteFile(path, size_bytes, DIGEST) for path in paths))


class FakeHub:
    """Lists the given repositories, and refuses every other one."""

    def __init__(self, *repositories: RemoteRepository, refusal: G4RunError | None = None) -> None:
        self.repositories = {repository.id: repository for repository in repositories}
        self.refusal = refusal or AccessDenied("the repository is gated", "log in")
        self.asked: list[str] = []

    def list_repository(self, name: str) -> RemoteRepository:
        self.asked.append(name)
        if name not in self.repositories:
            raise self.refusal
        return self.repositories[name]


def refreshed(tmp_path: Path, *repositories: RemoteRepository) -> Catalog:
    refresh_catalog(tmp_path, FakeHub(*repositories).list_repository)
    return read_catalog(tmp_path)


def test_every_repository_of_the_catalog_is_asked(tmp_path: Path) -> None:
    hub = FakeHub(repository(PLAIN_31B, "gemma-4-31B-it-Q8_0.gguf"))
    report = refresh_catalog(tmp_path, hub.list_repository)
    assert tuple(hub.asked) == read_catalog(tmp_path).repositories
    assert len(hub.asked) == 26
    assert (report.refreshed, report.changed) == ((PLAIN_31B,), (PLAIN_31B,))
    assert {failure.repository for failure in report.failures} == {*hub.asked} - {PLAIN_31B}
    assert {failure.message for failure in report.failures} == {"the repository is gated"}
    assert report.path == tmp_path / "catalog.json"
    assert [file.name for file in tmp_path.iterdir()] == ["catalog.json"]


def test_the_hubs_listing_replaces_the_built_in_one(tmp_path: Path) -> None:
    shards = [f"BF16/gemma-4-31B-it-BF16-0000{number}-of-00003.gguf" for number in (2, 1, 3)]
    catalog = refreshed(
        tmp_path,
        repository(
            PLAIN_31B,
            *("README.md", "gemma-4-31B-it-Q4_K_M.gguf", "gemma-4-31B-it-UD-Q7.gguf", *shards, "imatrix_unsloth.gguf"),
            *("mmproj-F32.gguf", "mmproj-F16.gguf", "MTP/gemma-4-31B-it-Q8_0-MTP.gguf", "mtp-gemma-4-31B-it.gguf"),
        ),
    )
    files = [file for file in catalog.files if file.repository == PLAIN_31B]
    assert [(file.quantization, file.paths) for file in files] == [
        ("Q4_K_M", ("gemma-4-31B-it-Q4_K_M.gguf",)),
        ("BF16", tuple(sorted(shards))),
    ]
    plain, whole = files
    assert (plain.name, plain.size_bytes, plain.sha256, plain.revision) == ("gemma4:31b-q4_k_m", 1000, DIGEST, "c" * 40)
    assert (whole.size_bytes, whole.sha256) == (3000, None)
    assert all(file.size_is_exact and file.path_is_confirmed for file in files)
    assert plain.quality is not None
    assert plain.quality.value == 0.61
    assert plain.projector is not None
    assert plain.drafter is not None
    assert (plain.projector.path, plain.projector.size_is_exact) == ("mmproj-F16.gguf", True)
    assert plain.drafter.path == "MTP/gemma-4-31B-it-Q8_0-MTP.gguf"


def test_other_repositories_stay_as_they_were(tmp_path: Path) -> None:
    built_in = read_catalog(tmp_path)
    catalog = refreshed(tmp_path, repository(PLAIN_31B, "gemma-4-31B-it-Q4_K_M.gguf", "mtp-new.gguf"))
    assert built_in.refreshed_at is None
    assert catalog.refreshed_at is not None
    assert catalog.overlay_problem is None
    assert catalog.available(Size.E4B) == built_in.available(Size.E4B)
    assert [facts.default for facts in catalog.sizes] == [facts.default for facts in built_in.sizes]
    other = catalog.find(HubName("ggml-org/gemma-4-31B-it-GGUF", "Q8_0"))
    assert other is not None
    assert other.name == "hf.co/ggml-org/gemma-4-31B-it-GGUF:Q8_0"
    assert other.drafter is not None
    assert (other.drafter.repository, other.drafter.path) == (PLAIN_31B, "mtp-new.gguf")


def test_every_name_still_resolves_to_its_file(tmp_path: Path) -> None:
    names = ("x-Q4_0.gguf", "y-Q4_0.gguf", "gemma-4-26B-A4B-it-Q8_0.gguf")
    catalog = refreshed(tmp_path, repository("unsloth/gemma-4-26B-A4B-it-GGUF", *names))
    assert all(resolve(catalog, file.name) is file for file in catalog.files)
    assert [file.name for file in catalog.files if file.repository.startswith("unsloth/gemma-4-26B-A4B-it-GGUF")] == [
        "hf.co/unsloth/gemma-4-26B-A4B-it-GGUF:Q4_0",
        "hf.co/unsloth/gemma-4-26B-A4B-it-GGUF/y-Q4_0.gguf",
        "gemma4:26b-q8_0",
    ]


def test_the_default_is_the_best_remaining_file(tmp_path: Path) -> None:
    catalog = refreshed(tmp_path, repository(GOOGLE_26B, "gemma-4-26B_q8_0-it.gguf"))
    default = catalog.resolve(FamilyName(Size.A4B_26B))
    assert (default.repository, default.quantization) == ("unsloth/gemma-4-26B-A4B-it-qat-GGUF", "UD-Q4_K_XL")


def test_a_failed_repository_keeps_its_listing(tmp_path: Path) -> None:
    first = repository(PLAIN_31B, "gemma-4-31B-it-Q4_K_M.gguf")
    google = repository(GOOGLE_26B, "gemma-4-26B_q4_0-it.gguf")
    refresh_catalog(tmp_path, FakeHub(first, google).list_repository)
    newer = repository(GOOGLE_26B, "gemma-4-26B_q4_0-it.gguf", commit="d" * 40)
    report = refresh_catalog(tmp_path, FakeHub(newer).list_repository)
    assert report.changed == (GOOGLE_26B,)
    catalog = read_catalog(tmp_path)
    assert [file.revision for file in catalog.files if file.repository in (PLAIN_31B, GOOGLE_26B)] == [
        "d" * 40,
        "c" * 40,
    ]
    assert refresh_catalog(tmp_path, FakeHub(newer).list_repository).changed == ()


def test_a_repository_without_models_is_a_failure(tmp_path: Path) -> None:
    hub = FakeHub(repository(PLAIN_31B, "a-Q8_0.gguf"), repository(GOOGLE_26B, "README.md", "mmproj-F16.gguf"))
    report = refresh_catalog(tmp_path, hub.list_repository)
    messages = {failure.repository: failure.message for failure in report.failures}
    assert messages[GOOGLE_26B] == f"{GOOGLE_26B} has no GGUF model files"
    assert read_catalog(tmp_path).resolve(FamilyName(Size.A4B_26B)).repository == GOOGLE_26B


def test_nothing_is_written_if_all_fail(tmp_path: Path) -> None:
    with pytest.raises(NetworkError) as raised:
        refresh_catalog(tmp_path, FakeHub().list_repository)
    assert raised.value.message == "cannot list any repository of the catalog: the repository is gated"
    assert list(tmp_path.iterdir()) == []


def test_offline_mode_stops_the_refresh(tmp_path: Path) -> None:
    hub = FakeHub(refusal=Offline("offline mode is on"))
    with pytest.raises(Offline):
        refresh_catalog(tmp_path, hub.list_repository)
    assert len(hub.asked) == 1


def test_a_bug_is_not_reported_as_a_failed_repository(tmp_path: Path) -> None:
    def list_repository(name: str) -> RemoteRepository:
        raise LookupError(name)

    with pytest.raises(LookupError):
        refresh_catalog(tmp_path, list_repository)


def test_a_read_only_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    hub = FakeHub(repository(PLAIN_31B, "a-Q8_0.gguf"))
    with pytest.raises(NotWritable):
        refresh_catalog(tmp_path / "file", hub.list_repository)


def change_version(text: str) -> str:
    return text.replace('"version": 1', '"version": 2')


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (change_version, "a newer version of g4run wrote it"),
        (lambda text: text[: len(text) // 2], "it is damaged: Input data was truncated"),
        (lambda text: "", "it is damaged: Input data was truncated"),
        (lambda text: "[" * 100_000, "it is damaged: Expected `object`, got `array`"),
        (lambda text: "[]", "it is damaged: Expected `object`, got `array`"),
        (lambda text: '{"version": 1}', "it is damaged: Object missing required field `refreshed_at`"),
        (lambda text: text.replace('"version": 1', '"version": "1"'), "Expected `int`, got `str` - at `$.version`"),
        (lambda text: text.replace('"size_bytes": 1000', '"size_bytes": -1'), "Expected `int` >= 1" + SIZE),
        (
            lambda text: text.replace('"size_bytes": 1000', '"size_bytes": 1.5'),
            "got `float`" + SIZE,
        ),
        (
            lambda text: text.replace('"size_bytes": 1000', '"size_bytes": true'),
            "got `bool`" + SIZE,
        ),
        (lambda text: text.replace(DIGEST, DIGEST[1:]), "[...].files[0].sha256`"),
        (
            lambda text: text.replace('"path"', '"name"'),
            "Object missing required field `path` - at `$.",
        ),
        (lambda text: text.replace('"commit": "cc', '"commit": ["c'), "it is damaged: "),
    ],
)
def test_a_damaged_file_is_reported_and_ignored(tmp_path: Path, spoil: Callable[[str], str], problem: str) -> None:
    built_in = read_catalog(tmp_path)
    refreshed(tmp_path, repository(PLAIN_31B, "gemma-4-31B-it-Q4_K_M.gguf"))
    path = tmp_path / "catalog.json"
    text = path.read_text("utf-8")
    assert spoil(text) != text
    path.write_text(spoil(text), "utf-8")
    catalog = read_catalog(tmp_path)
    assert catalog.overlay_problem is not None
    assert catalog.overlay_problem.startswith(f"{path} is not used: ")
    assert problem in catalog.overlay_problem
    assert (catalog.refreshed_at, catalog.files) == (None, built_in.files)


def test_a_binary_file_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "catalog.json").write_bytes(b"\xff\xfe{}")
    assert read_catalog(tmp_path).overlay_problem == (
        f"{tmp_path / 'catalog.json'} is not used: it is damaged: JSON is malformed: invalid character (byte 0)"
    )


def test_a_directory_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "catalog.json").mkdir()
    problem = read_catalog(tmp_path).overlay_problem
    assert problem is not None
    assert problem.startswith(f"{tmp_path / 'catalog.json'} cannot be read: ")


def test_a_refresh_repairs_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "catalog.json").write_text("rubbish", "utf-8")
    catalog = refreshed(tmp_path, repository(PLAIN_31B, "gemma-4-31B-it-Q4_K_M.gguf"))
    assert catalog.overlay_problem is None
    assert json.loads((tmp_path / "catalog.json").read_text("utf-8"))["repositories"].keys() == {PLAIN_31B}


def test_an_unknown_repository_is_listed() -> None:
    names = ("B-Q8_0.gguf", "a-Nano.gguf", "s-Q4_0-00001-of-00002.gguf", "s-Q4_0-00002-of-00002.gguf", "notes.txt")
    entries = catalog_entries(
        repository("user/x-26B-A4B-GGUF", *names, "mmproj.gguf", "mtp-x-Q8_0.gguf", "mtp-x-Q4_0.gguf")
    )
    assert [(file.path, file.quantization, file.size_bytes, file.sha256) for file in entries] == [
        ("B-Q8_0.gguf", "Q8_0", 1000, DIGEST),
        ("a-Nano.gguf", None, 1000, DIGEST),
        ("s-Q4_0-00001-of-00002.gguf", "Q4_0", 2000, None),
    ]
    assert {file.repository for file in entries} == {"user/x-26B-A4B-GGUF"}


def test_unknown_sizes_and_quantizations_are_none() -> None:
    (entry,) = catalog_entries(repository("user/x-31B-GGUF", "x-Q8_0.gguf", size_bytes=None))
    assert entry.size_bytes is None
    assert catalog_entries(repository("user/empty")) == ()
