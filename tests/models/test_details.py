"""The details that `show` prints, for local models and for those on the Hub."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from g4run.errors import InvalidModelFile, ModelNotFound
from g4run.models.details import FileDetail, License, describe, inspect_details
from g4run.models.hub.client import Hub
from g4run.models.import_model import import_file
from g4run.models.library import DEMO_PATH, Library
from g4run.models.quantizations import FileRole
from g4run.settings import Settings
from tests.fakes.gguf_files import foreign_file, read_gguf, split_file, write_parts
from tests.fakes.hub import FakeHub
from tests.fakes.stores import digest_of, write_projector

REPOSITORY = "acme/demo-GGUF"
APACHE = "https://www.apache.org/licenses/LICENSE-2.0"
DEMO_FILE = FileDetail(FileRole.MODEL, str(DEMO_PATH), 3_293_792, None, "your file")


@pytest.fixture
def fake() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        yield hub


@pytest.fixture
def library(fake: FakeHub, tmp_path: Path) -> Library:
    return Library(
        Settings(
            data_directory=tmp_path / "data",
            log_directory=tmp_path / "logs",
            home_directory=tmp_path / "home",
            hub_cache=tmp_path / "hub",
            hub_endpoint=fake.endpoint,
        )
    )


def no_network() -> Hub:
    raise AssertionError("the network was asked")


def test_the_built_in_model_is_described_from_its_header(library: Library) -> None:
    details = inspect_details(library, "demo", no_network)
    assert (details.model.context_length, details.is_remote) == (4096, False)
    assert details.capabilities == ("completion", "tools", "thinking")
    assert (details.sampling.temperature, details.sampling.top_k, details.sampling.top_p) == (1.0, 64, 0.95)
    (file,) = details.files
    assert (file.role, file.origin, file.sha256) == (FileRole.MODEL, "built in", digest_of(DEMO_PATH))


@pytest.mark.parametrize(
    ("metadata", "repository", "license"),
    [
        ({"general.license": "apache-2.0"}, None, License("Apache-2.0", APACHE)),
        (
            {"general.license": "apache-2.0", "general.license.link": "https://x"},
            None,
            License("Apache-2.0", "https://x"),
        ),
        ({"general.license": "mit"}, None, License("mit", None)),
        ({"general.license.name": "mine", "general.license.link": "https://x"}, None, License("mine", "https://x")),
        ({"general.license.link": "https://x"}, None, License(None, "https://x")),
        ({}, None, None),
        ({}, "somebody/else", None),
        ({}, "GGML-org/gemma-4-E2B-it-GGUF", License("Apache-2.0", APACHE)),
    ],
)
def test_a_license_comes_from_the_file_or_the_catalog(
    library: Library, metadata: dict[str, str], repository: str | None, license: License | None
) -> None:
    model = library.resolve("demo")
    plain = {key: value for key, value in model.header.metadata.items() if not key.startswith("general.license")}
    header = replace(model.header, metadata=plain | metadata)
    details = describe(library, "mine", model.architecture, header, (DEMO_FILE,), repository=repository)
    assert details.license == license


def test_a_projector_is_a_capability(library: Library, tmp_path: Path) -> None:
    model = tmp_path / "mine/model-Q8_0.gguf"
    model.parent.mkdir()
    model.write_bytes(DEMO_PATH.read_bytes())
    write_projector(model.parent / "mmproj-BF16.gguf")
    record = import_file(library.store, model, "mine")
    details = inspect_details(library, record.name, no_network)
    assert details.capabilities == ("completion", "tools", "thinking", "vision")
    assert [file.role for file in details.files] == [FileRole.MODEL, FileRole.PROJECTOR]
    assert details.quantization == "Q8_0"


def test_a_model_on_the_hub_is_described_from_its_header_alone(fake: FakeHub, library: Library, tmp_path: Path) -> None:
    large = read_gguf(DEMO_PATH).write(tmp_path / "demo-Q8_0.gguf", "sparse")
    commit = fake.add_repository(REPOSITORY, {"demo-Q8_0.gguf": large})
    details = inspect_details(library, "hf.co/acme/demo-GGUF:Q8_0", lambda: Hub(library.settings))
    assert (details.is_remote, details.quantization, details.model.embedding_length) == (True, "Q8_0", 128)
    assert details.files[0].location == f"{fake.endpoint}/{REPOSITORY}/blob/{commit}/demo-Q8_0.gguf"
    assert not (library.settings.hub_cache / "models--acme--demo-GGUF").exists()
    fake.reset()
    again = inspect_details(library, "hf.co/acme/demo-GGUF:Q8_0", lambda: Hub(library.settings))
    assert (again.model.parameters, again.wire_bytes) == (details.model.parameters, 0)


def test_a_missing_imported_file_cannot_be_pulled(library: Library, tmp_path: Path) -> None:
    model = tmp_path / "own.gguf"
    model.write_bytes(DEMO_PATH.read_bytes())
    import_file(library.store, model, "mine")
    model.unlink()
    with pytest.raises(ModelNotFound) as raised:
        inspect_details(library, "mine", no_network)
    assert raised.value.hint == "g4run rm mine, then import the file again"


def test_every_part_of_a_model_on_disk_is_a_file_of_it(library: Library, tmp_path: Path) -> None:
    parts = write_parts(split_file(read_gguf(DEMO_PATH), 30, 30), tmp_path, DEMO_PATH)
    details = inspect_details(library, str(parts[1]), no_network)
    assert [(file.location, file.size_bytes) for file in details.files] == [
        (str(part), part.stat().st_size) for part in parts
    ]


def test_shards_on_the_hub_are_one_model(fake: FakeHub, library: Library, tmp_path: Path) -> None:
    parts = write_parts(split_file(read_gguf(DEMO_PATH), 30, 30), tmp_path, DEMO_PATH)
    fake.add_repository(REPOSITORY, {part.name: part for part in parts})
    details = inspect_details(library, "hf.co/acme/demo-GGUF", lambda: Hub(library.settings))
    assert details.model.parameters == inspect_details(library, "demo", no_network).model.parameters
    assert len(details.files) == len(parts)


def test_another_architecture_on_the_hub_is_named(fake: FakeHub, library: Library, tmp_path: Path) -> None:
    fake.add_repository(REPOSITORY, {"qwen-Q8_0.gguf": foreign_file("qwen3").write(tmp_path / "qwen.gguf", "random")})
    with pytest.raises(InvalidModelFile, match=r"qwen-Q8_0\.gguf: this is a model of architecture 'qwen3'"):
        inspect_details(library, "hf.co/acme/demo-GGUF", lambda: Hub(library.settings))


def test_a_custom_name_is_never_looked_up_on_the_hub(library: Library) -> None:
    with pytest.raises(ModelNotFound, match="there is no model named mine"):
        inspect_details(library, "mine", no_network)
