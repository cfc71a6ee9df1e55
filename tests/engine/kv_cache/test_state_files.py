import hashlib
from pathlib import Path

import msgspec
import pytest

from g4run.engine.kv_cache.host_cache import StoredSequence
from g4run.engine.kv_cache.state_files import MAGIC, SavedSettings, read_saved, write_saved
from g4run.engine.kv_cache.swa_checkpoints import Checkpoint
from g4run.errors import SavedStateRefused

SETTINGS = SavedSettings("sha256:abc", "f16", 6, 64, 1280, "0.3.36")
CHECKPOINTS = (Checkpoint(2, 0, memoryview(b"two")), Checkpoint(3, 1, None), Checkpoint(3, 1, memoryview(b"three")))
STORED = StoredSequence([2, 105, 262143, 7], 3, 1, memoryview(b"the state" * 5), CHECKPOINTS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_saved(tmp_path / "saved", STORED, SETTINGS)
    return tmp_path / "saved"


def test_a_saved_sequence_is_read_back(path: Path) -> None:
    read = read_saved(path, SETTINGS)
    assert (read.tokens, read.prompt_length, read.first) == ([2, 105, 262143, 7], 3, 1)
    assert bytes(read.state) == b"the state" * 5
    found = [(each.length, each.first, bytes(each.state or b"")) for each in read.checkpoints]
    assert found == [(2, 0, b"two"), (3, 1, b"three")]  # the one that was dropped is not kept
    assert [each.name for each in path.parent.iterdir()] == ["saved"]


def test_a_file_truncated_anywhere_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(SavedStateRefused, match="truncated"):
            read_saved(path, SETTINGS)


def test_a_file_with_extra_bytes_is_refused(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(SavedStateRefused, match="truncated or damaged"):
        read_saved(path, SETTINGS)


def test_a_changed_byte_anywhere_is_noticed(path: Path) -> None:
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(SavedStateRefused):
            read_saved(path, SETTINGS)


def test_a_header_with_impossible_sizes_is_refused(path: Path) -> None:
    """The digest is right: anyone who forges a file can compute it."""
    settings = msgspec.to_builtins(SETTINGS)
    header = {"settings": settings, "tokens": -4, "prompt_length": 0, "first": 0, "state_bytes": 16, "checkpoints": []}
    encoded = msgspec.msgpack.encode(header)
    content = MAGIC + (1).to_bytes(4, "little") + len(encoded).to_bytes(4, "little") + encoded
    path.write_bytes(content + hashlib.sha256(content).digest())
    with pytest.raises(SavedStateRefused, match="has the wrong length"):
        read_saved(path, SETTINGS)


def test_another_format_version_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:8] + (2).to_bytes(4, "little") + whole[12:])
    with pytest.raises(SavedStateRefused, match="has format version 2, but this version of g4run reads 1"):
        read_saved(path, SETTINGS)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (msgspec.structs.replace(SETTINGS, model_digest="sha256:def"), "model digest is sha256:abc, not sha256:def"),
        (msgspec.structs.replace(SETTINGS, kv_type="q8_0"), "kv type is f16, not q8_0"),
        (msgspec.structs.replace(SETTINGS, layers=7), "layers is 6, not 7"),
        (msgspec.structs.replace(SETTINGS, window=512), "window is 64, not 512"),
        (msgspec.structs.replace(SETTINGS, vocabulary_size=9), "vocabulary size is 1280, not 9"),
        (msgspec.structs.replace(SETTINGS, library="0.4.0"), "library is 0.3.36, not 0.4.0"),
    ],
    ids=lambda value: value.split(" ")[0] if isinstance(value, str) else "",
)
def test_a_file_of_another_model_or_other_settings_is_refused(path: Path, other: SavedSettings, reason: str) -> None:
    with pytest.raises(SavedStateRefused) as caught:
        read_saved(path, other)
    assert caught.value.message == f"{path} was saved with another model or other settings: {reason}"


def test_a_failed_write_leaves_an_older_file_unchanged(path: Path) -> None:
    before = path.read_bytes()
    (path.parent / "directory").mkdir()
    with pytest.raises(OSError):
        write_saved(path.parent / "directory", STORED, SETTINGS)
    assert path.read_bytes() == before
    assert sorted(each.name for each in path.parent.iterdir()) == ["directory", "saved"]
