"""The commands about models as processes, against a local Hub that serves the built-in model under another name."""

import json
import re
from pathlib import Path

import pytest

from g4run.models.library import DEMO_PATH
from tests.e2e.people import FILE, NAME, POSIX, REPOSITORY, SIZE, Person, error_of, stop_midway
from tests.e2e.processes import Ended, without_choice
from tests.e2e.test_run import ANSWER, HELLO
from tests.fakes.hub import FakeHub
from tests.fakes.stores import flip_last_byte


def test_a_pulled_model_works_without_network(person: Person, hub: FakeHub) -> None:
    assert person.types("pull", NAME).code == 0
    digest = hub.file(REPOSITORY, FILE).sha256
    with hub.refusing():
        assert person.models() == [NAME, "demo"]
        listed = person.types("ls")
        assert listed.stdout == (
            "NAME                      ID              SIZE  QUANT  MODIFIED  FITS\n"
            f"{NAME}  {digest[:12]}  3.3 MB  F16    just now  yes\n"
            f"demo                      {digest[:12]}  3.3 MB  F16    built in  yes\n"
        )
        shown = person.types("show", NAME.lower())
        assert (shown.code, shown.stderr) == (0, "")
        assert f"    sha256 {digest}\n" in shown.stdout
        ended = person.types("run", NAME, *HELLO[2:], HF_HUB_OFFLINE="1")
    assert (ended.code, ended.stdout, without_choice(ended.stderr)) == (0, ANSWER, "")


def test_a_copy_shares_the_files_and_rm_frees_the_last(person: Person, hub: FakeHub) -> None:
    person.types("pull", NAME)
    assert person.types("cp", NAME, "mine") == Ended(0, f"mine now names the same files as {NAME}\n", "")
    first = person.types("rm", NAME)
    assert first.code == 0
    assert first.stdout.startswith(f"removed {NAME}, 0 B freed\n  kept ")
    ended = person.types("run", "mine", *HELLO[2:])
    assert (ended.code, ended.stdout, without_choice(ended.stderr)) == (0, ANSWER, "")
    blob = person.blob(hub.file(REPOSITORY, FILE).sha256)
    assert blob.is_file()
    assert person.types("rm", "mine") == Ended(0, "removed mine, 3.3 MB freed\n", "")
    assert (blob.exists(), person.models()) == (False, ["demo"])


def test_verify_finds_a_flipped_byte_and_says_what_to_do(person: Person, hub: FakeHub) -> None:
    person.types("pull", NAME)
    good = person.types("verify")
    assert good == Ended(0, f"{NAME}: {FILE}: ok\n", "1 file checked, no problems found\n")
    digest = hub.file(REPOSITORY, FILE).sha256
    flip_last_byte(person.blob(digest))
    bad = person.types("verify", NAME)
    assert bad.code == 1
    assert bad.stdout.startswith(f"{NAME}: {FILE}: wrong digest\n")
    assert f"  expected {digest}\n" in bad.stdout
    assert bad.stderr == f"1 of 1 file failed\nHint: g4run rm {NAME}, then g4run pull {NAME}\n"
    assert json.loads(person.types("verify", "--json").stdout)["is_good"] is False
    assert person.types("rm", NAME).code == 0
    assert person.types("pull", NAME).code == 0
    assert person.types("verify").code == 0


def test_outdated_compares_files_not_commits(person: Person, hub: FakeHub, tmp_path: Path) -> None:
    person.types("pull", NAME)
    hub.add_revision(REPOSITORY, {"README.md": b"# only the text is new\n"})
    assert person.types("outdated") == Ended(0, "1 model from the Hub, all up to date\n", "")
    newer = tmp_path / "newer.gguf"
    newer.write_bytes(DEMO_PATH.read_bytes())
    flip_last_byte(newer)
    commit = hub.add_revision(REPOSITORY, {FILE: newer})
    found = person.asks("outdated")["models"]
    assert isinstance(found, list)
    assert [(model["newest_commit"], model["changed"], model["is_outdated"]) for model in found] == [
        (commit, [FILE], True)
    ]
    assert person.types("pull", "--all").code == 0
    assert person.asks("show", NAME)["files"] != []
    assert person.types("outdated").stdout == "1 model from the Hub, all up to date\n"


def test_show_of_a_name_on_the_hub_reads_the_header_only(person: Person, hub: FakeHub) -> None:
    hub.set_rate(SIZE)  # else the network's buffers take the whole small file
    ended = person.types("show", NAME)
    assert (ended.code, person.models()) == (0, ["demo"])
    assert re.fullmatch(r"read the header from the Hub \([\d.]+ kB\)\n", ended.stderr)
    assert hub.sent_bytes(f"{REPOSITORY}/{FILE}") < SIZE / 2
    assert f"/{REPOSITORY}/blob/" in ended.stdout


def test_a_repository_is_listed_live(person: Person) -> None:
    ended = person.types("list", "--available", f"hf.co/{REPOSITORY}")
    assert ended == Ended(
        0,
        "NAME                      QUANT    SIZE  BITS  QUALITY  FITS  LOCAL\n"
        f"{NAME}  F16    3.3 MB                 yes\n",
        "",
    )


def test_bits_are_those_of_the_size_that_the_hub_lists(person: Person, hub: FakeHub) -> None:
    known = "ggml-org/gemma-4-E2B-it-GGUF"
    hub.add_repository(known, {"gemma-4-E2B-it-Q8_0.gguf": DEMO_PATH})
    available = person.asks("list", "--available", f"hf.co/{known}")["available"]
    assert isinstance(available, list)
    assert [(model["size_bytes"], model["bits_per_weight"]) for model in available] == [(SIZE, 0.01)]


def test_short_names_are_explained(person: Person) -> None:
    ended = person.types("list", "--available", "E4B")
    assert re.search(r"^gemma4 and gemma4:e4b mean gemma4:e4b-\S+ on this machine$", ended.stdout, re.MULTILINE)
    available = person.asks("list", "--available")["available"]
    assert isinstance(available, list)
    assert sorted(model["short_names"] for model in available if model["short_names"]) == [
        ["gemma4", "gemma4:e4b"],
        ["gemma4:12b"],
        ["gemma4:26b"],
        ["gemma4:31b"],
        ["gemma4:e2b"],
    ]


def test_the_license_comes_with_its_url(person: Person) -> None:
    address = "https://www.apache.org/licenses/LICENSE-2.0"
    assert person.types("show", "demo", "--license") == Ended(0, f"Apache-2.0\n{address}\n", "")
    assert person.asks("show", "demo", "--license") == {
        "name": "demo",
        "license": "Apache-2.0",
        "license_url": address,
    }


def test_the_catalog_is_listed_by_size(person: Person, hub: FakeHub) -> None:
    available = person.asks("list", "--available", "26b")["available"]
    assert isinstance(available, list)
    assert len(available) > 5
    assert all("26b" in model["repository"].lower() for model in available)
    assert person.types("list", "--available", "27b").code in (2, 3)
    assert hub.requests == ()


def test_a_local_file_is_imported_in_place(person: Person) -> None:
    path = person.home / "own.gguf"
    path.write_bytes(DEMO_PATH.read_bytes())
    ended = person.types("import", str(path), "--name", "own")
    assert ended == Ended(0, "own is ready, its file stays where it is: g4run chat own\n", "")
    ended = person.types("run", "own", *HELLO[2:])
    assert (ended.code, ended.stdout, without_choice(ended.stderr)) == (0, ANSWER, "")
    removed = person.types("rm", "own")
    assert removed.stdout == (f"removed own, 0 B freed\n  kept {path}\n    it is your own file\n")
    assert path.is_file()


def test_models_of_other_programs_are_listed(person: Person) -> None:
    path = person.home / ".lmstudio" / "models" / "acme" / "demo" / "demo-F16.gguf"
    path.parent.mkdir(parents=True)
    path.write_bytes(DEMO_PATH.read_bytes())
    found = person.asks("import")["found"]
    assert isinstance(found, list)
    assert [(model["origin"], model["path"], model["problem"]) for model in found] == [("LM Studio", str(path), None)]
    assert found[0]["command"] == f"g4run import {path}"


def test_space_and_prune_report_sizes(person: Person) -> None:
    person.types("pull", NAME)
    person.types("cp", NAME, "mine")
    usage = person.asks("list", "--space")
    assert isinstance(usage["models"], list)
    assert usage["total_bytes"] == SIZE
    assert [(model["name"], model["size_bytes"], model["own_bytes"]) for model in usage["models"]] == [
        ("mine", SIZE, 0),
        (NAME, SIZE, 0),
    ]
    assert person.types("prune", "--dry-run") == Ended(0, "nothing to remove\n", "")
    assert person.types("prune").code == 0
    assert person.types("verify").code == 0


@POSIX
def test_unfinished_downloads_can_be_removed(person: Person, hub: FakeHub) -> None:
    assert stop_midway(person, hub)[0] == 130
    assert person.asks("list", "--space")["partial_bytes"] != 0
    pruned = person.types("prune", "--dry-run").stdout
    assert pruned.startswith(f"would be removed: unfinished download of {REPOSITORY}, ")
    removed = person.asks("prune")["partials"]
    assert isinstance(removed, list)
    assert [model["repository"] for model in removed] == [REPOSITORY]
    assert person.asks("list", "--space")["partial_bytes"] == 0
    assert person.types("prune") == Ended(0, "nothing to remove\n", "")


def test_a_damaged_entry_is_named_and_ignored(person: Person) -> None:
    person.types("pull", NAME)
    person.types("cp", NAME, "mine")
    entry = person.home / "g4run" / "models" / "mine.json"
    entry.write_text("{", "utf-8")
    ended = person.types("list")
    assert (ended.code, ended.stdout.count("\n")) == (0, 3)
    assert ended.stderr.startswith("damaged: mine: ")
    assert str(entry) in ended.stderr
    assert person.types("rm", "mine").code == 0
    assert person.types("list").stderr == ""


def test_an_empty_store_suggests_a_pull(person: Person) -> None:
    ended = person.types("list")
    assert ended.stderr == "no models yet: g4run pull gemma4, or g4run list --available\n"
    assert [line.split()[0] for line in ended.stdout.splitlines()] == ["NAME", "demo"]


def test_the_catalog_is_refreshed_from_the_hub(person: Person, hub: FakeHub) -> None:
    assert error_of(person.types("catalog", "refresh", "--json")) == (5, "network")
    known = "unsloth/gemma-4-E4B-it-GGUF"
    hub.add_repository(known, {"gemma-4-E4B-it-Q4_K_M.gguf": DEMO_PATH})
    report = person.asks("catalog", "refresh")
    assert (report["refreshed"], report["changed"]) == ([known], [known])
    available = person.asks("list", "--available", "e4b")["available"]
    assert isinstance(available, list)
    assert [model["size_bytes"] for model in available if model["repository"] == known] == [SIZE]
    ended = person.types("catalog", "refresh", "--foo")
    assert ended == Ended(2, "", "Error: no such option: --foo\nHint: g4run catalog refresh --help\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pull",), "no name was given"),
        (("pull", "gemma4", "--all"), "--all and a name cannot be used together"),
        (("rm",), "no name was given"),
        (("show", "demo", "--license", "--template"), "--template and --license cannot be used together"),
        (("import", "--name", "mine"), "--name needs a path"),
        (("import", "x.gguf", "--copy"), "no such option: --copy"),
        (("rm", "--partial"), "no such option: --partial"),
        (("df",), "no such command 'df'"),
        (("list", "--space", "--available"), "--space and --available cannot be used together"),
        (("list", "--space", "gemma4"), "--space and a prefix cannot be used together"),
        (("ls", "--foo"), "no such option: --foo"),
        (("list", "--available", "mine"), "mine is neither a size nor a repository"),
    ],
)
def test_a_usage_error_is_exit_code_2(person: Person, arguments: tuple[str, ...], message: str) -> None:
    ended = person.types(*arguments, "--json")
    error = json.loads(ended.stdout)["error"]
    assert (ended.code, error["code"], error["message"]) == (2, "usage", message)
    assert error["hint"]
