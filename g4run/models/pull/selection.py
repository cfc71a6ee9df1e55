"""Which of a repository's files make up the wanted model: its weights, its projector, its drafter."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from g4run.errors import ModelNotFound, Pointer
from g4run.models.catalog.values import CatalogFile, CompanionFile
from g4run.models.pull.target import PullRequest, Target
from g4run.models.quantizations import (
    FileRole,
    default_rank,
    drafter_rank,
    group_shards,
    projector_rank,
    quantization_of,
    role_of,
)
from g4run.models.remote_files import RemoteFile, RemoteRepository
from g4run.suggestions import find_similar

MAX_LISTED = 12


@dataclass(frozen=True, slots=True)
class Chosen:
    """One file of the model, the listing that it is from, and what the catalog knows for certain about it."""

    role: FileRole
    repository: RemoteRepository
    file: RemoteFile
    known: RemoteFile | None


@dataclass(frozen=True, slots=True)
class Selection:
    """The files to fetch, in order."""

    repository: RemoteRepository
    quantization: str | None
    files: tuple[Chosen, ...]
    notes: tuple[str, ...]


ListRepository: TypeAlias = Callable[[str], RemoteRepository]
Rank: TypeAlias = Callable[[str], tuple[int, int, str]]


def select_files(
    repository: RemoteRepository, target: Target, request: PullRequest, list_repository: ListRepository
) -> Selection:
    """Choose among the files of a repository, and of those that the catalog names for companions.

    Raises ModelNotFound, with what there is.
    """
    return _Selecting(repository, target, request, list_repository).run()


@dataclass(slots=True)
class _Selecting:
    """One choice, collecting files and notes."""

    repository: RemoteRepository
    target: Target
    request: PullRequest
    list_repository: ListRepository
    files: list[Chosen] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def run(self) -> Selection:
        """Weights first, then what belongs to them."""
        paths = self._choose_model()
        entry = self.target.entry
        known = None
        if entry is not None and paths == entry.paths and len(paths) == 1:
            known = _known_file(entry)
        by_path = {file.path: file for file in self.repository.files}
        self.files += [Chosen(FileRole.MODEL, self.repository, by_path[path], known) for path in paths]
        if self.request.with_projector:
            self._add_projector(self.target.projector)
        if self.request.with_drafter:
            self._add_drafter(self.target.drafter)
        quantization = quantization_of(paths[0]) or self.target.quantization
        return Selection(self.repository, quantization, tuple(self.files), tuple(self.notes))

    def _choose_model(self) -> tuple[str, ...]:
        files = self.repository.files
        models = list(group_shards(file.path for file in files if role_of(file.path) is FileRole.MODEL))
        if not models:
            raise ModelNotFound(f"{self.repository.id} has no GGUF model files", "give a repository with GGUF files")
        entry = self.target.entry
        if entry is not None and entry.paths in models:
            return entry.paths
        if self.target.path is not None:
            return self._with_path(models, self.target.path)
        if self.target.quantization is not None:
            return self._with_quantization(models, self.target.quantization, entry)
        return self._best(models)

    def _with_path(self, models: list[tuple[str, ...]], wanted: str) -> tuple[str, ...]:
        for paths in models:
            if wanted.lower() in (path.lower() for path in paths):
                return paths
        other = next((file.path for file in self.repository.files if file.path.lower() == wanted.lower()), None)
        if other is not None:
            what = {FileRole.PROJECTOR: "a projector", FileRole.DRAFTER: "a drafter"}.get(role_of(other), "no model")
            raise self._not_there(f"{other} is {what}", wanted, [model[0] for model in models])
        there = [paths[0] for paths in models]
        message = f"{self.repository.id} has no file {wanted}"
        raise self._not_there(message, wanted, find_similar(wanted, there) or there)

    def _with_quantization(
        self, models: list[tuple[str, ...]], wanted: str, entry: CatalogFile | None
    ) -> tuple[str, ...]:
        found = [paths for paths in models if (quantization_of(paths[0]) or "").lower() == wanted.lower()]
        if not found:
            there = sorted({tag for paths in models if (tag := quantization_of(paths[0]))})
            message = f"{self.repository.id} has no {wanted}"
            raise self._not_there(message, wanted, find_similar(wanted, there) or there)
        if entry is not None:
            self.notes.append(f"{entry.path} is not there any more; {found[0][0]} has the same quantization")
        return found[0]

    def _best(self, models: list[tuple[str, ...]]) -> tuple[str, ...]:
        tagged = [(tag, paths) for paths in models if (tag := quantization_of(paths[0]))]
        if tagged:
            is_qat = "qat" in self.repository.id.lower()
            return min(tagged, key=lambda model: default_rank(model[0], is_qat=is_qat))[1]
        if len(models) == 1:
            return models[0]
        raise self._not_there(f"{self.repository.id} has several models", "", [paths[0] for paths in models])

    def _not_there(self, message: str, part: str, instead: Sequence[str]) -> ModelNotFound:
        typed = self.request.name
        start = typed.lower().rfind(part.lower()) if part else -1
        pointer = Pointer(typed, start, start + len(part)) if start >= 0 else None
        more = f" and {len(instead) - MAX_LISTED} more" if len(instead) > MAX_LISTED else ""
        return ModelNotFound(message, f"there is {', '.join(instead[:MAX_LISTED])}{more}", pointer=pointer)

    def _add_projector(self, known: CompanionFile | None) -> None:
        if not self._add_companion(FileRole.PROJECTOR, known, projector_rank):
            self.notes.append(f"no projector was found in {self.repository.id}: the model will read text only")

    def _add_drafter(self, known: CompanionFile | None) -> None:
        rank = partial(drafter_rank, has_experts="a4b" in self.repository.id.lower())
        if not self._add_companion(FileRole.DRAFTER, known, rank):
            raise ModelNotFound(f"{self.repository.id} has no drafter", "leave --drafter out")

    def _add_companion(self, role: FileRole, known: CompanionFile | None, rank: Rank) -> bool:
        """Add what the catalog names, or the best of the model's own repository; False where there is none."""
        repository = self.repository
        if known is not None and known.repository.lower() != repository.id.lower():
            repository = self.list_repository(known.repository)
        found = next((file for file in repository.files if known is not None and file.path == known.path), None)
        exact = _known_file(known) if found and known else None
        if found is None:
            fitting = [file for file in repository.files if role_of(file.path) is role]
            found = min(fitting, key=lambda file: rank(file.path), default=None)
        if found is not None:
            self.files.append(Chosen(role, repository, found, exact))
        return found is not None


def _known_file(known: CatalogFile | CompanionFile) -> RemoteFile:
    """Return what the catalog knows for certain."""
    return RemoteFile(known.path, known.size_bytes if known.size_is_exact else None, known.sha256)
