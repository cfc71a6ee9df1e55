"""Find the models in a repository as the Hub lists it, with the parts of each together."""

from dataclasses import dataclass

from g4run.models.quantizations import FileRole, group_shards, quantization_of, role_of
from g4run.models.remote_files import RemoteRepository


@dataclass(frozen=True, slots=True)
class LiveFile:
    """A model in a repository, known only from the Hub's listing."""

    repository: str
    paths: tuple[str, ...]  # one, or the parts in order
    quantization: str | None  # None: the name does not tell
    size_bytes: int | None  # of all parts
    sha256: str | None  # None for parts

    @property
    def path(self) -> str:
        """The path of the file or of its first part."""
        return self.paths[0]


def catalog_entries(repository: RemoteRepository) -> tuple[LiveFile, ...]:
    """Return the models of any repository in listing order."""
    by_path = {file.path: file for file in repository.files}
    models = group_shards(path for path in by_path if role_of(path) is FileRole.MODEL)
    return tuple(
        LiveFile(
            repository=repository.id,
            paths=paths,
            quantization=quantization_of(paths[0]),
            size_bytes=_total([by_path[path].size_bytes for path in paths]),
            sha256=by_path[paths[0]].sha256 if len(paths) == 1 else None,
        )
        for paths in models
    )


def _total(sizes: list[int | None]) -> int | None:
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None
