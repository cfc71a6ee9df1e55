import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from g4run.errors import AccessDenied, InvalidModelFile, ModelNotFound, NetworkError
from g4run.models.download.retry_policy import RetryPolicy
from g4run.models.gguf.architecture import inspect_architecture
from g4run.models.gguf.header import GgufHeader, LongArray, read_header
from g4run.models.gguf.loadable import check_loadable
from g4run.models.gguf.shards import read_model
from g4run.models.hub.client import Hub
from g4run.models.hub.remote_header import MAX_START_BYTES, RANGE_BYTES, RemoteHeader, read_remote_header
from g4run.settings import Settings
from scripts.shapes.metadata import metadata, text_value, texts_value
from scripts.shapes.mixes import MIXES, quantized_tensors
from scripts.shapes.vocabulary import copied_vocabulary, synthetic_vocabulary
from tests.fakes.gguf_files import LARGE, GgufFile, gemma4_file, split_file, write_parts, write_text
from tests.fakes.hub import FakeHub
from tests.fakes.hub_faults import FaultKind, Stage
from tests.models.gguf.headers import numbers_of

REPOSITORY = "someone/Gemma-GGUF"
NAME = f"{REPOSITORY}/model.gguf"
SMALL = gemma4_file()
# A file with the real vocabulary; without one, a header of the same number of tokens is made up: 8 MB instead of 16.
VOCABULARY = os.environ.get("G4RUN_TEST_VOCABULARY")
IMPATIENT = RetryPolicy(stall_seconds=0.3, connect_seconds=2, first_pause_seconds=0.01, retries=3)


@pytest.fixture
def fake() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        yield hub


@pytest.fixture
def ask(fake: FakeHub, tmp_path: Path) -> Callable[..., RemoteHeader]:
    """Reads the header of files of the repository, which has them then."""
    settings = Settings(tmp_path, tmp_path, hub_endpoint=fake.endpoint, hub_cache=tmp_path / "hub")

    def read(files: dict[str, Path], *, cache: str = "headers") -> RemoteHeader:
        commit = fake.add_repository(REPOSITORY, files)
        return read_remote_header(Hub(settings), REPOSITORY, commit, list(files), tmp_path / cache, IMPATIENT)

    return read


@pytest.fixture
def small(tmp_path: Path) -> dict[str, Path]:
    return {"model.gguf": SMALL.write(tmp_path / "model.gguf")}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small model with a vocabulary as large as the real one."""
    tokens = copied_vocabulary(Path(VOCABULARY)) if VOCABULARY else synthetic_vocabulary()
    mix = MIXES["F16"]
    file = GgufFile(metadata(LARGE, mix) | tokens, tuple(quantized_tensors(LARGE, mix)))
    return {"model.gguf": file.write(tmp_path_factory.mktemp("large") / "model.gguf")}


def contents(header: GgufHeader) -> dict[str, object]:
    """The metadata with everything that was left in the file."""
    return {
        key: (value.item, value.count, value.strings() if value.item.name == "STRING" else numbers_of(value))
        if isinstance(value, LongArray)
        else value
        for key, value in header.metadata.items()
    }


def assert_same(remote: GgufHeader, local: GgufHeader) -> None:
    assert contents(remote) == contents(local)
    assert (remote.tensors, remote.data_offset, remote.size_bytes) == (
        local.tensors,
        local.data_offset,
        local.size_bytes,
    )


def test_a_remote_header_says_what_the_file_says(
    fake: FakeHub, ask: Callable[..., RemoteHeader], small: dict[str, Path]
) -> None:
    remote = ask(small)
    assert_same(remote.header, read_header(small["model.gguf"]))
    check_loadable(remote.header)
    assert remote.header.size_bytes == small["model.gguf"].stat().st_size
    assert len(fake.requests) == 2  # the link, and one range


def test_a_large_header_takes_one_request_and_no_more_than_its_range(
    fake: FakeHub, ask: Callable[..., RemoteHeader], large: dict[str, Path]
) -> None:
    remote = ask(large)
    local = read_header(large["model.gguf"])
    assert_same(remote.header, local)
    gets = [request for request in fake.requests if request.stage is Stage.CDN and request.method == "GET"]
    assert [request.range for request in gets] == [f"bytes=0-{RANGE_BYTES - 1}"]
    assert fake.sent_bytes(NAME) <= RANGE_BYTES
    assert local.data_offset - 32 < remote.wire_bytes <= local.data_offset + (1 << 20)
    assert inspect_architecture(remote.header).vocabulary_size == 262_144


def test_a_header_is_kept(fake: FakeHub, ask: Callable[..., RemoteHeader], large: dict[str, Path]) -> None:
    first = ask(large)
    fake.reset()
    second = ask(large)
    assert_same(second.header, first.header)
    assert (second.header.size_bytes, second.wire_bytes, len(fake.requests)) == (first.header.size_bytes, 0, 1)
    assert fake.sent_bytes(NAME) == 0


def test_what_is_kept_is_the_start_of_the_file(
    fake: FakeHub, ask: Callable[..., RemoteHeader], small: dict[str, Path], tmp_path: Path
) -> None:
    offset = ask(small).header.data_offset
    (kept,) = (tmp_path / "headers").iterdir()
    assert kept.name == fake.file(REPOSITORY, "model.gguf").etag + ".header"
    start = kept.read_bytes()[:-32]
    assert start == small["model.gguf"].read_bytes()[: len(start)]
    assert offset - 32 < len(start) <= offset


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "not a header"])
def test_a_damaged_one_is_read_again(
    fake: FakeHub, ask: Callable[..., RemoteHeader], small: dict[str, Path], tmp_path: Path, damage: str
) -> None:
    first = ask(small)
    (kept,) = (tmp_path / "headers").iterdir()
    whole = kept.read_bytes()
    flipped = bytearray(whole)
    flipped[2000] ^= 1
    fake.reset()
    kept.write_bytes(
        {"empty": b"", "cut": whole[:-100], "flipped": bytes(flipped), "not a header": b"<html>" * 20}[damage]
    )
    again = ask(small)
    assert_same(again.header, first.header)
    assert len(fake.requests) == 2
    assert kept.read_bytes() == whole
    assert list((tmp_path / "headers").iterdir()) == [kept]


def test_where_nothing_can_be_kept_it_is_read_all_the_same(
    fake: FakeHub, ask: Callable[..., RemoteHeader], small: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "headers").write_text("a file, where the directory should be")
    ask(small)
    ask(small)
    assert len(fake.requests) == 4


def test_a_model_in_parts_is_one_header(ask: Callable[..., RemoteHeader], tmp_path: Path, fake: FakeHub) -> None:
    paths = write_parts(split_file(SMALL, 10, 0), tmp_path)
    remote = ask({f"BF16/{path.name}": path for path in paths})
    local = read_model(paths)
    assert_same(remote.header, local)
    check_loadable(remote.header)
    assert remote.header.size_bytes == sum(path.stat().st_size for path in paths)
    assert len(fake.requests) == 6
    assert remote.wire_bytes >= sum(part.data_offset for part in local.parts) - 3 * 32


def test_a_wrong_part_is_named(ask: Callable[..., RemoteHeader], tmp_path: Path) -> None:
    first, second = write_parts(split_file(SMALL, 10), tmp_path)
    with pytest.raises(InvalidModelFile, match=r"^BF16/a\.gguf: split\.no is 1"):
        ask({"BF16/a.gguf": second, "BF16/b.gguf": first})


# Faults


@pytest.mark.parametrize("kind", [FaultKind.RESET, FaultKind.CLOSE, FaultKind.STALL])
def test_a_broken_connection_goes_on_from_where_it_was(
    fake: FakeHub, ask: Callable[..., RemoteHeader], large: dict[str, Path], kind: FaultKind
) -> None:
    fake.set_rate(20_000_000)
    fake.fault(kind, 1_000_000, path=NAME)
    remote = ask(large)
    assert_same(remote.header, read_header(large["model.gguf"]))
    ranges = [request.range for request in fake.requests if request.stage is Stage.CDN]
    assert len(ranges) == 2
    assert ranges[1] is not None
    resumed_at = int(ranges[1].removeprefix("bytes=").split("-")[0])
    assert resumed_at == 1_000_000 or (kind is FaultKind.RESET and 0 <= resumed_at < 1_000_000)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *((FaultKind.STATUS, 500), (FaultKind.STATUS, 503), (FaultKind.DROP, 0), (FaultKind.HANG, 1)),
        *((FaultKind.SHIFT_RANGE, 10), (FaultKind.PORTAL, 0), (FaultKind.IGNORE_RANGE, 0)),
    ],
)
def test_a_wrong_answer_is_asked_for_again(
    fake: FakeHub, ask: Callable[..., RemoteHeader], small: dict[str, Path], kind: FaultKind, value: int
) -> None:
    fake.fault(kind, value, path=NAME)
    assert_same(ask(small).header, read_header(small["model.gguf"]))
    assert fake.faults.remaining == ()


def test_a_server_without_ranges_is_read_up_to_the_need(
    fake: FakeHub, ask: Callable[..., RemoteHeader], large: dict[str, Path]
) -> None:
    fake.set_rate(40_000_000)
    fake.fault(FaultKind.IGNORE_RANGE, path=NAME, times=None)
    fake.fault(FaultKind.CLOSE, 1_000_000, path=NAME)
    remote = ask(large)
    local = read_header(large["model.gguf"])
    assert_same(remote.header, local)
    assert len(fake.requests) == 3
    assert 0 < remote.wire_bytes - local.data_offset - 1_000_000 + 32 < 2_000_000  # the first MB came twice
    assert fake.sent_bytes(NAME) < local.size_bytes  # type: ignore[operator] # known


def test_an_expired_link_is_resolved_again(
    fake: FakeHub, ask: Callable[..., RemoteHeader], small: dict[str, Path]
) -> None:
    fake.fault(FaultKind.STATUS, 403, path=NAME)
    remote = ask(small)
    assert_same(remote.header, read_header(small["model.gguf"]))
    assert len(fake.requests) == 4  # two links, two ranges


def test_what_never_works_ends(fake: FakeHub, ask: Callable[..., RemoteHeader], small: dict[str, Path]) -> None:
    fake.fault(FaultKind.RESET, 100, path=NAME, times=None)
    fake.fault(FaultKind.STATUS, 500, path=NAME, times=None)
    with pytest.raises(NetworkError) as raised:
        ask(small)
    assert raised.value.message == f"the header of {NAME}: the server answered 500; gave up after several attempts"
    assert len([request for request in fake.requests if request.stage is Stage.CDN]) == 1 + IMPATIENT.retries


def test_a_link_that_is_always_refused_is_no_permission(
    fake: FakeHub, ask: Callable[..., RemoteHeader], small: dict[str, Path]
) -> None:
    fake.fault(FaultKind.STATUS, 403, path=NAME, times=None)
    with pytest.raises(AccessDenied, match=r"the server rejected the link \(403\), and new links too"):
        ask(small)


def test_a_server_that_is_busy_for_long_is_not_waited_for(
    fake: FakeHub, ask: Callable[..., RemoteHeader], small: dict[str, Path]
) -> None:
    fake.fault(FaultKind.STATUS, 429, path=NAME, retry_after=3600)
    with pytest.raises(NetworkError, match="the server asks to wait 60m00s"):
        ask(small)


def test_a_file_that_is_not_there_is_said(fake: FakeHub, tmp_path: Path, small: dict[str, Path]) -> None:
    commit = fake.add_repository(REPOSITORY, small)
    hub = Hub(Settings(tmp_path, tmp_path, hub_endpoint=fake.endpoint, hub_cache=tmp_path / "hub"))
    with pytest.raises(ModelNotFound):
        read_remote_header(hub, REPOSITORY, commit, ["other.gguf"], tmp_path)


# Files that are no models


def test_a_file_that_is_no_model_costs_little(fake: FakeHub, ask: Callable[..., RemoteHeader], tmp_path: Path) -> None:
    with pytest.raises(InvalidModelFile, match=r"^model\.gguf: this is not a GGUF file") as raised:
        ask({"model.gguf": write_text(tmp_path / "page.gguf")})
    assert raised.value.hint == ""
    assert not (tmp_path / "headers").exists()


def test_a_file_that_was_cut_is_explained(ask: Callable[..., RemoteHeader], small: dict[str, Path]) -> None:
    for length in (100_000, 5000, 10):
        with small["model.gguf"].open("r+b") as file:
            file.truncate(length)
        with pytest.raises(InvalidModelFile, match=r"^model\.gguf: the file (ends at byte|is too short|is incomplete)"):
            ask(small)


def test_a_header_without_end_is_given_up(fake: FakeHub, ask: Callable[..., RemoteHeader], tmp_path: Path) -> None:
    """The second of two strings begins where nobody would look for it."""
    file = SMALL.having("general.tags", texts_value(["a", "b"] * 3000)).having("general.name", text_value("x"))
    data = bytearray(file.header())
    place = data.index(b"general.tags") + len(b"general.tags") + 16
    data[place : place + 8] = MAX_START_BYTES.to_bytes(8, "little")
    path = tmp_path / "endless.gguf"
    path.write_bytes(data)
    with path.open("r+b") as sparse:
        sparse.truncate(2 * MAX_START_BYTES)
    with pytest.raises(InvalidModelFile, match=r"^model\.gguf: the header is longer than 33\.6 MB"):
        ask({"model.gguf": path})
    assert fake.sent_bytes(NAME) <= RANGE_BYTES
