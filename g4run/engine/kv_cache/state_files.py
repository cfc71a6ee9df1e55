"""State files: a sequence on disk, with its tokens, its state, and the settings that a reader must match.

Format: magic (8 bytes), version and header length (4 bytes each, little endian), the header (msgpack), the tokens
(32 bits each, in the machine's byte order, like llama.cpp's states), the state, the checkpoints' states, and the sha256
of all that. A file is verified before any of it is used, and written under a temporary name first.
"""

import contextlib
import hashlib
import os
import struct
from array import array
from itertools import accumulate, pairwise
from pathlib import Path

import msgspec

from g4run.engine.kv_cache.host_cache import StoredSequence
from g4run.engine.kv_cache.prompt_cache import PromptCache
from g4run.engine.kv_cache.swa_checkpoints import Checkpoint
from g4run.engine.protocol import Failed, Restore, Restored, Save, Saved
from g4run.errors import SavedStateRefused

MAGIC = b"G4RUNSEQ"
VERSION = 1
_PREFIX = struct.Struct("<8sII")
_DIGEST_BYTES = 32
_TOKEN_BYTES = 4


class SavedSettings(msgspec.Struct, frozen=True):
    """What a state depends on; `library` is the version of llama-cpp-python, whose state format may change."""

    model_digest: str
    kv_type: str
    layers: int
    window: int
    vocabulary_size: int
    library: str


class _SavedCheckpoint(msgspec.Struct, frozen=True):
    length: int
    first: int
    size_bytes: int


class _Header(msgspec.Struct, frozen=True):
    settings: SavedSettings
    tokens: int
    prompt_length: int
    first: int
    state_bytes: int
    checkpoints: list[_SavedCheckpoint]


def save_sequence(command: Save, cache: PromptCache, settings: SavedSettings) -> Saved | Failed:
    """Write the cached sequence with the longest prefix in common with the command's tokens."""
    stored = cache.snapshot(command.tokens)
    if stored is None:
        return Failed(command.request_id, "no part of this conversation is cached", "refused")
    path = Path(os.fsdecode(command.path))
    try:
        size = write_saved(path, stored, settings)
    except OSError as error:
        return Failed(command.request_id, f"cannot write {path}: {_reason(error)}", "refused")
    return Saved(command.request_id, len(stored.tokens), size)


def restore_sequence(command: Restore, cache: PromptCache, settings: SavedSettings) -> Restored | Failed:
    """Read a sequence into the host cache, for the next prompt that begins with its tokens."""
    path = Path(os.fsdecode(command.path))
    try:
        stored = read_saved(path, settings)
    except SavedStateRefused as refused:
        return Failed(command.request_id, refused.message, "refused")
    except OSError as error:
        return Failed(command.request_id, f"cannot read {path}: {_reason(error)}", "refused")
    cache.add_restored(stored)
    return Restored(command.request_id, stored.tokens)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def write_saved(path: Path, stored: StoredSequence, settings: SavedSettings) -> int:
    """Write a sequence and return the file's size in bytes. Raises OSError and leaves an older file unchanged."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        size = _write(temporary, stored, settings)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    return size


def read_saved(path: Path, settings: SavedSettings) -> StoredSequence:
    """Read a sequence that was saved with these settings. Raises SavedStateRefused or OSError."""
    content = memoryview(path.read_bytes())
    body, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    if len(body) < _PREFIX.size or body[: len(MAGIC)] != MAGIC:
        raise SavedStateRefused(f"{path} is not a saved state, or is truncated")
    _, version, header_bytes = _PREFIX.unpack_from(body)
    if version != VERSION:
        raise SavedStateRefused(f"{path} has format version {version}, but this version of g4run reads {VERSION}")
    if hashlib.sha256(body).digest() != digest:
        raise SavedStateRefused(f"{path} is truncated or damaged: its sha256 does not match")
    start = _PREFIX.size + header_bytes
    header = msgspec.msgpack.decode(body[_PREFIX.size : start], type=_Header)
    sizes = (_TOKEN_BYTES * header.tokens, header.state_bytes, *(each.size_bytes for each in header.checkpoints))
    if min(sizes) < 0 or start + sum(sizes) != len(body):
        raise SavedStateRefused(f"{path} has the wrong length")
    _compare(header.settings, settings, path)
    ends = accumulate(sizes, initial=start)
    tokens, state, *copies = (body[first:end] for first, end in pairwise(ends))
    checkpoints = zip(header.checkpoints, copies, strict=True)
    return StoredSequence(
        tokens.cast("i").tolist(),
        header.prompt_length,
        header.first,
        state,
        tuple(Checkpoint(each.length, each.first, copy) for each, copy in checkpoints),
    )


def _write(path: Path, stored: StoredSequence, settings: SavedSettings) -> int:
    kept = [(each, each.state) for each in stored.checkpoints if each.state is not None]
    header = _Header(
        settings=settings,
        tokens=len(stored.tokens),
        prompt_length=stored.prompt_length,
        first=stored.first,
        state_bytes=stored.state.nbytes,
        checkpoints=[_SavedCheckpoint(each.length, each.first, state.nbytes) for each, state in kept],
    )
    encoded = msgspec.msgpack.encode(header)
    prefix = _PREFIX.pack(MAGIC, VERSION, len(encoded))
    parts: list[bytes | memoryview] = [prefix, encoded, array("i", stored.tokens).tobytes(), stored.state]
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for part in (*parts, *(state for _, state in kept)):
            digest.update(part)
            file.write(part)
        file.write(digest.digest())
        file.flush()
        os.fsync(file.fileno())
        return file.tell()


def _compare(saved: SavedSettings, wanted: SavedSettings, path: Path) -> None:
    for name, needed in msgspec.structs.asdict(wanted).items():
        found = getattr(saved, name)
        if found != needed:
            reason = f"{name.replace('_', ' ')} is {found}, not {needed}"
            raise SavedStateRefused(f"{path} was saved with another model or other settings: {reason}")
