"""A look at the header of a large file before the rest is fetched: what this engine does not load is not worth it."""

from collections.abc import Sequence

from g4run.errors import InvalidModelFile
from g4run.models.gguf.architecture import inspect_architecture
from g4run.models.hub.client import Hub
from g4run.models.hub.remote_header import read_remote_header
from g4run.models.library import Library
from g4run.models.pull.files import PlannedFile
from g4run.models.quantizations import FileRole
from g4run.models.store.usage import HEADERS

# A header of 16 MB is then at most a thirtieth of what a vain download would cost.
LARGE_BYTES = 500_000_000
OTHERS = "`g4run list --available` shows models that run here"


def refuse_foreign(library: Library, hub: Hub, files: Sequence[PlannedFile]) -> None:
    """Raise InvalidModelFile where a large file that is still to be fetched holds no Gemma 4."""
    models = [file for file in files if file.role is FileRole.MODEL]
    is_begun = any(file.source != "download" or file.present_bytes for file in models)
    if is_begun or sum(file.size_bytes for file in models) < LARGE_BYTES:
        return
    first, directory = models[0], library.settings.data_directory / HEADERS
    header = read_remote_header(hub, first.repository, first.commit, [file.path for file in models], directory).header
    try:
        inspect_architecture(header)
    except InvalidModelFile as error:
        raise InvalidModelFile(f"{first.path}: {error.message}", error.hint or OTHERS) from None
