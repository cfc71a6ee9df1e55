"""Collect everything that `show` prints about a model, on this machine or on the Hub."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from g4run.models.catalog.catalog import Catalog
from g4run.models.catalog.values import Sampling
from g4run.models.digest import sha256_of
from g4run.models.gguf.architecture import inspect_architecture
from g4run.models.gguf.dimensions import Gemma4
from g4run.models.gguf.file_types import quantization_in
from g4run.models.gguf.header import GgufHeader, naming
from g4run.models.gguf.shards import shard_paths
from g4run.models.library import DEMO_PATH, Library, ModelFile, open_record
from g4run.models.names.parse import parse_name
from g4run.models.names.types import DemoName, FamilyName, HubName, ModelName
from g4run.models.pull.selection import Chosen, select_files
from g4run.models.pull.target import PullRequest, find_target
from g4run.models.quantizations import FileRole, quantization_of
from g4run.models.store.usage import HEADERS
from g4run.settings import Settings

if TYPE_CHECKING:
    from g4run.models.hub.client import Hub

BUILT_IN = "built in"
ON_THE_HUB = "on the Hub"
YOUR_FILE = "your file"


@dataclass(frozen=True, slots=True)
class FileDetail:
    """One file of a model; `location` is a path or an address."""

    role: FileRole
    location: str
    size_bytes: int
    sha256: str | None
    origin: str


@dataclass(frozen=True, slots=True)
class License:
    """A license from the file or the catalog; None for what neither tells."""

    name: str | None
    url: str | None


@dataclass(frozen=True, slots=True)
class ModelDetails:
    """A model as its header and the store describe it."""

    name: str
    model: Gemma4
    quantization: str
    capabilities: tuple[str, ...]
    sampling: Sampling
    license: License | None  # None: neither the file nor the catalog names one
    files: tuple[FileDetail, ...]
    header: GgufHeader
    template: str | None  # the file's own, which is shown but not used
    wire_bytes: int | None  # downloaded to read a remote header; None for a model on this machine

    @property
    def is_remote(self) -> bool:
        """Whether the model is on the Hub only."""
        return self.wire_bytes is not None


def inspect_details(library: Library, name: str, open_hub: "Callable[[], Hub]") -> ModelDetails:
    """Read the header of a model, over the network only if it is not on this machine.

    Raises UsageError, ModelNotFound, InvalidModelFile, NetworkError.
    """
    parsed = parse_name(name)
    if isinstance(parsed, FamilyName | HubName):
        record = library.find_record(parsed)
        if record is None:
            return _inspect_remote(library, parsed, open_hub())
        model = open_record(record)
    else:
        model = library.resolve(name)
    return describe(
        library,
        model.name,
        model.architecture,
        model.header,
        _local_files(model, parsed),
        repository=model.record.repository if model.record else None,
    )


def describe(
    library: Library,
    name: str,
    model: Gemma4,
    header: GgufHeader,
    files: tuple[FileDetail, ...],
    *,
    repository: str | None,
    quantization: str | None = None,
    wire_bytes: int | None = None,
) -> ModelDetails:
    """Combine a header with its files; `repository` is the source of the model."""
    return ModelDetails(
        name=name,
        model=model,
        quantization=quantization or _quantization(files, header),
        capabilities=_capabilities(model, files),
        sampling=library.catalog.sampling,
        license=_license(library.catalog, header, repository),
        files=files,
        header=header,
        template=_text(header, "tokenizer.chat_template"),
        wire_bytes=wire_bytes,
    )


def _inspect_remote(library: Library, name: FamilyName | HubName, hub: "Hub") -> ModelDetails:
    from g4run.models.hub.remote_header import read_remote_header  # noqa: PLC0415 - loads the network's libraries

    request = PullRequest(name.text)
    target = find_target(library, request)
    repository = hub.list_repository(target.repository, target.revision)
    selection = select_files(repository, target, request, hub.list_repository)
    paths = [chosen.file.path for chosen in selection.files if chosen.role is FileRole.MODEL]
    remote = read_remote_header(hub, repository.id, repository.commit, paths, library.settings.data_directory / HEADERS)
    with naming(paths[0]):
        model = inspect_architecture(remote.header)
    return describe(
        library,
        name.text,
        model,
        remote.header,
        tuple(_remote_detail(library.settings, chosen) for chosen in selection.files),
        repository=repository.id,
        quantization=selection.quantization,
        wire_bytes=remote.wire_bytes,
    )


def _remote_detail(settings: Settings, chosen: Chosen) -> FileDetail:
    repository, file = chosen.repository, chosen.file
    address = f"{settings.hub_endpoint}/{repository.id}/blob/{repository.commit}/{file.path}"
    return FileDetail(chosen.role, address, file.size_bytes or 0, file.sha256, ON_THE_HUB)


def _local_files(model: ModelFile, parsed: ModelName) -> tuple[FileDetail, ...]:
    if model.record is not None:
        return tuple(
            FileDetail(file.role, str(file.path), file.size_bytes, file.sha256, file.origin.value)
            for file in model.record.files
        )
    origin = BUILT_IN if isinstance(parsed, DemoName) else YOUR_FILE
    digest = sha256_of(DEMO_PATH) if isinstance(parsed, DemoName) else None
    return tuple(
        FileDetail(FileRole.MODEL, str(path), path.stat().st_size, digest, origin) for path in shard_paths(model.path)
    )


def _capabilities(model: Gemma4, files: tuple[FileDetail, ...]) -> tuple[str, ...]:
    """Return what the model can do, in the terms of Ollama's API."""
    found = ["completion", "tools"]
    if model.has_thinking:
        found.append("thinking")
    if any(file.role is FileRole.PROJECTOR for file in files):
        found.append("vision")
        if model.size_label in ("E2B", "E4B", "12B"):
            found.append("audio")
    return tuple(found)


def _quantization(files: tuple[FileDetail, ...], header: GgufHeader) -> str:
    named = quantization_of(files[0].location.replace("\\", "/").rpartition("/")[2])
    return named or quantization_in(header) or "unknown"


def _license(catalog: Catalog, header: GgufHeader, repository: str | None) -> License | None:
    """Return the file's license; if it has none, the catalog's, provided that it lists the repository."""
    name = _text(header, "general.license") or _text(header, "general.license.name")
    url = _text(header, "general.license.link")
    is_listed = repository is not None and repository.lower() in map(str.lower, catalog.repositories)
    if name is None and not is_listed:
        return None if url is None else License(None, url)
    if name is None or name.lower() == catalog.license.lower():
        return License(catalog.license, url or catalog.license_url)
    return License(name, url)


def _text(header: GgufHeader, key: str) -> str | None:
    value = header.metadata.get(key)
    return value if isinstance(value, str) and value else None
