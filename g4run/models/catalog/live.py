"""Find the models in a repository as the Hub lists it: parts grouped, each with its companions."""

from dataclasses import dataclass

from g4run.models.quantizations import FileRole, drafter_rank, group_shards, projector_rank, quantization_of, role_of
from g4run.models.remote_files import RemoteFile, RemoteRepository


@dataclass(frozen=True, slots=True)
class LiveFile:
    """A model in a repository, known only from the Hub's listing."""

    repository: str
    commit: str
    paths: tuple[str, ...]  # one, or the parts in order
    quantization: str | None  # None: the name does not tell
    size_bytes: int | None  # of all parts
    sha256: str | None  # None for parts
    projector: RemoteFile | None
    drafter: RemoteFile | None

    @property
    def path(self) -> str:
        """The path of the file or of its first part."""
        return self.paths[0]


def catalog_entries(repository: RemoteRepository) -> tuple[LiveFile, ...]:
    """Return the models of any repository in listing order."""
    by_path = {file.path: file for file in repository.files}
    projector = min(_of_role(repository, FileRole.PROJECTOR), key=lambda file: projector_rank(file.path), default=None)
    has_experts = "a4b" in repository.id.lower()
    drafter = min(
        _of_role(repository, FileRole.DRAFTER),
        key=lambda file: drafter_rank(file.path, has_experts=has_experts),
        default=None,
    )
    models = group_shards(file.path for file in _of_role(repository, FileRole.MODEL))
    return tuple(
        LiveFile(
            repository=repository.id,
            commit=repository.commit,
            paths=paths,
            quantization=quantization_of(paths[0]),
            size_bytes=_total([by_path[path].size_bytes for path in paths]),
            sha256=by_path[paths[0]].sha256 if len(paths) == 1 else None,
            projector=projector,
            drafter=drafter,
        )
        for paths in models
    )


def _of_role(repository: RemoteRepository, role: FileRole) -> tuple[RemoteFile, ...]:
    return tuple(file for file in repository.files if role_of(file.path) is role)


def _total(sizes: list[int | None]) -> int | None:
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None
