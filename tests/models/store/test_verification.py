import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from g4run.models.copy_name import copy_name
from g4run.models.import_model import import_file
from g4run.models.quantizations import FileRole
from g4run.models.store.store import Store
from g4run.models.store.verification import FileCheck, FileStatus, verify
from tests.fakes.stores import digest_of, flip_last_byte, record_of, write_model, write_projector


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model.gguf")


def check_of(store: Store, name: str = "model") -> FileCheck:
    (check,) = verify([store.get(name)])
    return check


def test_untouched_files_are_ok(store: Store, model: Path, tmp_path: Path) -> None:
    write_projector(tmp_path / "mmproj.gguf")
    import_file(store, model)
    weights, projector = verify(store.records())
    digest = digest_of(model)
    assert weights == FileCheck(
        "model", FileRole.MODEL, model, model.stat().st_size, FileStatus.OK, expected=digest, actual=digest
    )
    assert (projector.role, projector.status, projector.is_good) == (FileRole.PROJECTOR, "ok", True)


def test_a_flipped_bit_is_found(store: Store, model: Path) -> None:
    expected = import_file(store, model).digest
    flip_last_byte(model)
    check = check_of(store)
    assert (check.status, check.expected, check.actual) == ("wrong digest", expected, digest_of(model))
    assert not check.is_good


def test_a_file_that_lost_its_end_is_found(store: Store, model: Path) -> None:
    size_bytes = import_file(store, model).size_bytes
    os.truncate(model, size_bytes - 1)
    check = check_of(store)
    assert (check.status, check.expected, check.actual) == ("wrong size", str(size_bytes), str(size_bytes - 1))


def test_a_missing_file_is_found(store: Store, model: Path) -> None:
    import_file(store, model)
    model.unlink()
    assert check_of(store).status == "missing"


def test_a_directory_in_its_place_is_unreadable_or_of_another_size(store: Store, model: Path) -> None:
    import_file(store, model)
    model.unlink()
    model.mkdir()
    assert check_of(store).status in ("unreadable", "wrong size")


def test_without_a_digest_only_size_and_header_can_be_checked(store: Store, model: Path) -> None:
    file = replace(import_file(store, model).files[0], sha256=None)
    store.save(record_of("model", file))
    check = check_of(store)
    assert (check.status, check.is_good, check.actual) == ("no digest known", True, digest_of(model))
    with model.open("r+b") as damaged:
        damaged.write(b"HTML")
    check = check_of(store)
    assert (check.status, check.is_good) == ("damaged header", False)
    assert check.problem is not None
    assert check.problem.startswith("model.gguf: this is not a GGUF file")


def test_a_file_of_two_names_is_read_once(store: Store, model: Path) -> None:
    size_bytes = import_file(store, model).size_bytes
    copy_name(store, "model", "other")
    seen: list[tuple[str, int]] = []
    checks = list(verify(store.records(), lambda record, file, done: seen.append((file.path.name, done))))
    assert [check.status for check in checks] == ["ok", "ok"]
    assert {check.name for check in checks} == {"model", "other"}
    assert seen[-1] == ("model.gguf", size_bytes)
    assert len([1 for _, done in seen if done == size_bytes]) == 1
