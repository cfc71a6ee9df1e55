"""Builders of other programs' folders: a Hugging Face cache, LM Studio, Ollama; and settings that find them."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from g4run.models.quantizations import FileRole
from g4run.models.store.records import Origin, Record, StoredFile, Summary
from g4run.settings import Settings
from tests.fakes.gguf_files import SMALL, foreign_file, gemma4_file

REPOSITORY = "someone/gemma-4-small-GGUF"
COMMIT = "1" * 40
NEWER_COMMIT = "2" * 40
TIME = "2026-01-02T03:04:05+00:00"
HOLDER = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""
OUR_PARTIAL = f"{'a' * 64}.g4run.incomplete"
THEIR_PARTIAL = f"{'b' * 64}.1234abcd.incomplete"  # huggingface_hub's
SUMMARY = Summary("small", 123456, 4096, "F16", True)


def settings_in(directory: Path) -> Settings:
    """Settings of which every directory lies below one."""
    return Settings(
        data_directory=directory / "data",
        log_directory=directory / "logs",
        home_directory=directory / "home",
        hub_cache=directory / "home" / ".cache" / "huggingface" / "hub",
        is_offline=True,
    )


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def flip_last_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def write_model(path: Path) -> Path:
    """A small Gemma 4."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return gemma4_file(SMALL).write(path)


def write_projector(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return foreign_file("clip").write(path)


@dataclass(frozen=True, slots=True)
class FakeCache:
    """A Hugging Face cache, filled as huggingface_hub fills it."""

    hub_cache: Path

    def directory(self, repository: str = REPOSITORY) -> Path:
        return self.hub_cache / ("models--" + repository.replace("/", "--"))

    def blob(self, sha256: str, repository: str = REPOSITORY) -> Path:
        return self.directory(repository) / "blobs" / sha256

    def add(
        self,
        path: str,
        source: Path,
        *,
        repository: str = REPOSITORY,
        commit: str = COMMIT,
        revision: str | None = "main",
        makes_links: bool = True,
    ) -> Path:
        """Put a file's bytes into the cache; without links (Windows) they lie in the snapshot itself."""
        directory, digest = self.directory(repository), digest_of(source)
        blob, pointer = directory / "blobs" / digest, directory / "snapshots" / commit / path
        for file in (blob, pointer):
            file.parent.mkdir(parents=True, exist_ok=True)
        if not makes_links:
            shutil.copyfile(source, pointer)
        else:
            if not blob.exists():
                shutil.copyfile(source, blob)
            pointer.symlink_to(os.path.relpath(blob, pointer.parent))
        if revision:
            ref = directory / "refs" / revision
            ref.parent.mkdir(parents=True, exist_ok=True)
            ref.write_text(commit)
        return pointer

    def add_partial(self, name: str, size_bytes: int = 1 << 20, *, repository: str = REPOSITORY) -> Path:
        """An unfinished download, of which 8 kB are there and the rest is a hole."""
        path = self.blob(name, repository)
        path.parent.mkdir(parents=True, exist_ok=True)
        (self.directory(repository) / "snapshots").mkdir(exist_ok=True)
        with path.open("wb") as file:
            file.write(os.urandom(8192))
            file.truncate(size_bytes)
        return path

    def lock_path(self, etag: str, repository: str = REPOSITORY) -> Path:
        path = self.hub_cache / ".locks" / self.directory(repository).name / f"{etag}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def downloaded(pointer: Path, role: FileRole = FileRole.MODEL, origin: Origin = Origin.DOWNLOADED) -> StoredFile:
    """What a pull notes about a file in the cache."""
    snapshots = pointer.parts.index("snapshots")
    folder, _, commit, *path = pointer.parts[snapshots - 1 :]
    return StoredFile(
        role=role,
        path=pointer,
        size_bytes=pointer.stat().st_size,
        sha256=digest_of(pointer),
        origin=origin,
        repository=folder.removeprefix("models--").replace("--", "/"),
        commit=commit,
        repository_path="/".join(path),
    )


def record_of(name: str, *files: StoredFile, modified_at: str = TIME) -> Record:
    return Record(name, files, SUMMARY, files[0].repository, files[0].commit, None, TIME, modified_at)


def add_ollama_model(directory: Path, name: str, source: Path, *, host: str = "registry.ollama.ai/library") -> Path:
    """A tag `MODEL:TAG`, and the blob that it names."""
    digest = digest_of(source)
    blob = directory / "blobs" / f"sha256-{digest}"
    blob.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, blob)
    manifest = directory / "manifests" / host / Path(*name.split(":"))
    manifest.parent.mkdir(parents=True, exist_ok=True)
    layers = [
        {"mediaType": "application/vnd.ollama.image.license", "digest": f"sha256:{'0' * 64}", "size": 1},
        {"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{digest}", "size": blob.stat().st_size},
    ]
    manifest.write_text(json.dumps({"schemaVersion": 2, "layers": layers}))
    return blob


def hold(path: Path) -> subprocess.Popen[str]:
    """A process that holds a lock until it is spoken to."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process
