"""What the name of a size means to a pull: what the store has, what was chosen, or the catalog's default."""

import pytest
from msgspec.structs import replace

from g4run.models.catalog.values import CatalogFile
from g4run.models.library import Library
from g4run.models.names.types import Size
from g4run.models.pull.target import PullRequest, find_target, open_size
from g4run.models.quantizations import FileRole
from g4run.models.store.records import Origin, Record, StoredFile, Summary, timestamp
from g4run.settings import Settings

NAME = "gemma4:26b"


@pytest.fixture
def library(settings: Settings) -> Library:
    return Library(settings)


def file_of(library: Library, quantization: str) -> CatalogFile:
    return next(file for file in library.catalog.available(Size.A4B_26B) if file.quantization == quantization)


def keep(library: Library, name: str, file: CatalogFile) -> Record:
    """Put a file under a name into the store."""
    path = library.settings.data_directory / "weights.gguf"
    stored = StoredFile(
        FileRole.MODEL, path, file.size_bytes, None, Origin.DOWNLOADED, file.repository, "c" * 40, file.path
    )
    summary = Summary("26B A4B", file.parameters, 262144, file.quantization, True)
    record = Record(name, (stored,), summary, file.repository, "c" * 40, None, timestamp(), timestamp())
    library.store.save(record)
    return record


@pytest.mark.parametrize(
    ("typed", "size"),
    [
        ("gemma4", Size.E4B),
        (NAME, Size.A4B_26B),
        ("GEMMA4:26B-A4B-it", Size.A4B_26B),
        ("gemma4:26b-qat", None),
        ("gemma4:26b-q4_0", None),
        ("hf.co/user/repository", None),
        ("mine", None),
    ],
)
def test_only_the_name_of_a_size_leaves_the_quantization_open(library: Library, typed: str, size: Size | None) -> None:
    assert open_size(library, PullRequest(typed)) is size


def test_a_revision_or_a_record_settles_it(library: Library) -> None:
    record = keep(library, "mine", file_of(library, "Q5_K_M"))
    assert open_size(library, PullRequest(NAME, revision="main")) is None
    assert open_size(library, PullRequest(NAME, record=record)) is None


def test_what_was_chosen_is_stored_under_the_name_that_was_typed(library: Library) -> None:
    chosen = file_of(library, "Q5_K_M")
    target = find_target(library, PullRequest(NAME, entry=chosen))
    assert (target.name, target.repository, target.entry) == (NAME, chosen.repository, chosen)
    assert target.exact_name == chosen.name == "gemma4:26b-q5_k_m"


def test_without_a_choice_a_size_means_the_catalog_s_default(library: Library) -> None:
    default = library.catalog.facts(Size.A4B_26B).default
    target = find_target(library, PullRequest(NAME))
    assert (target.name, target.entry, target.exact_name) == (NAME, default, NAME)


def test_a_name_keeps_the_quantization_that_it_was_pulled_with(library: Library) -> None:
    kept = file_of(library, "Q5_K_M")
    keep(library, NAME, kept)
    request = PullRequest(NAME, entry=file_of(library, "Q8_0"))
    assert open_size(library, request) is None
    target = find_target(library, request)
    assert (target.entry, target.exact_name) == (kept, NAME)
    named = find_target(library, PullRequest("gemma4:26b-q8_0"))
    assert named.quantization == "Q8_0"


def test_a_file_that_the_catalog_lost_is_kept_too(library: Library) -> None:
    lost = replace(file_of(library, "Q5_K_M"), repository="acme/gone-GGUF", paths=("gone-Q5_K_M.gguf",))
    keep(library, NAME, lost)
    target = find_target(library, PullRequest(NAME))
    assert (target.name, target.repository, target.path, target.entry) == (NAME, lost.repository, lost.path, None)
