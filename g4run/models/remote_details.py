"""What `show` tells of a model that is still on the Hub: its header is read over the network, nothing else."""

from g4run.errors import InvalidModelFile
from g4run.models.details import ON_THE_HUB, FileDetail, ModelDetails, describe
from g4run.models.gguf.architecture import inspect_architecture
from g4run.models.hub.client import Hub
from g4run.models.hub.remote_header import read_remote_header
from g4run.models.library import Library
from g4run.models.names.parse import FamilyName, HubName
from g4run.models.pull.selection import Chosen, select_files
from g4run.models.pull.target import PullRequest, find_target
from g4run.models.quantizations import FileRole
from g4run.models.store.usage import HEADERS
from g4run.settings import Settings


def inspect_remote(library: Library, name: FamilyName | HubName, hub: Hub) -> ModelDetails:
    """Read the header that a name means. Raises UsageError, ModelNotFound, InvalidModelFile, NetworkError."""
    request = PullRequest(name.text)
    target = find_target(library, request)
    repository = hub.list_repository(target.repository, target.revision)
    selection = select_files(repository, target, request, hub.list_repository)
    paths = [chosen.file.path for chosen in selection.files if chosen.role is FileRole.MODEL]
    remote = read_remote_header(hub, repository.id, repository.commit, paths, library.settings.data_directory / HEADERS)
    try:
        model = inspect_architecture(remote.header)
    except InvalidModelFile as error:
        raise InvalidModelFile(f"{paths[0]}: {error.message}", error.hint) from None
    files = tuple(_detail(library.settings, chosen) for chosen in selection.files)
    return describe(
        library,
        name.text,
        model,
        remote.header,
        files,
        repository=repository.id,
        quantization=selection.quantization,
        wire_bytes=remote.wire_bytes,
    )


def _detail(settings: Settings, chosen: Chosen) -> FileDetail:
    repository, file = chosen.repository, chosen.file
    address = f"{settings.hub_endpoint}/{repository.id}/blob/{repository.commit}/{file.path}"
    return FileDetail(chosen.role, address, file.size_bytes or 0, file.sha256, ON_THE_HUB)
