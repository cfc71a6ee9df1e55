"""`g4run pull` as a process, against a local Hub that serves the built-in model under another name."""

import json
import re

import pytest

from g4run.models.library import DEMO_PATH
from tests.e2e.people import FILE, NAME, POSIX, REPOSITORY, SIZE, SLOW, Person, error_of, events, stop_midway
from tests.e2e.processes import Terminal
from tests.fakes.hub import GOOD_TOKEN, FakeHub
from tests.fakes.hub_faults import FaultKind, Stage


def without_space(stderr: str) -> str:
    """A plan without what the disk happens to have."""
    return re.sub(r"\d[\d.]* \wB (free there|afterwards)", r"N \1", stderr)


def test_a_pull_in_a_pipe_is_plain_lines(person: Person, hub: FakeHub) -> None:
    commit = hub.add_revision(REPOSITORY, {"README.md": b"# newer\n"})
    ended = person.types("pull", NAME)
    assert (ended.code, ended.stdout) == (0, "")
    lines = [line for line in without_space(ended.stderr).splitlines(keepends=True) if " %, " not in line]
    assert "".join(lines) == (
        f"{NAME} from {REPOSITORY}@{commit[:8]}\n"
        "  model  demo-F16.gguf  3.3 MB\n"
        f"3.3 MB to download to {person.cache}\n"
        "N free there, N afterwards\n"
        "note: no projector was found in acme/demo-GGUF: the model will read text only\n"
        "downloading demo-F16.gguf: 3.3 MB\n"
        "demo-F16.gguf: done, sha256 verified\n"
        f"{NAME} is ready: g4run chat {NAME}\n"
    )


def test_a_second_pull_downloads_nothing(person: Person, hub: FakeHub) -> None:
    person.types("pull", NAME)
    hub.reset()
    ended = person.types("pull", NAME)
    assert (ended.code, hub.sent_bytes(f"{REPOSITORY}/{FILE}")) == (0, 0)
    assert "nothing to download\n" in ended.stderr
    assert person.types("pull", "--all").code == 0


def test_the_json_of_a_pull_is_lines(person: Person, hub: FakeHub) -> None:
    ended = person.types("pull", NAME, "--json")
    assert (ended.code, ended.stderr) == (0, "")
    plan, *steps, finished, done = events(ended.stdout)
    file = hub.file(REPOSITORY, FILE)
    assert (plan["event"], plan["download_bytes"], plan["name"]) == ("plan", SIZE, NAME)
    assert {step["event"] for step in steps} == {"progress"}
    assert list(steps[0]) == ["event", "file", "completed_bytes", "total_bytes", "bytes_per_second"]
    assert (finished["event"], finished["sha256"]) == ("finished", file.sha256)
    assert (done["event"], done["name"], done["id"]) == ("done", NAME, file.sha256[:12])


def test_an_alias_is_explained(person: Person) -> None:
    ended = person.types("pull", f"https://huggingface.co/{REPOSITORY}:f16", "--dry-run")
    assert f"\nnote: https://huggingface.co/{REPOSITORY}:f16 means {NAME}\n" in ended.stdout


def test_a_dry_run_downloads_nothing(person: Person, hub: FakeHub) -> None:
    ended = person.types("pull", NAME, "--dry-run")
    assert (ended.code, ended.stderr) == (0, "")
    assert f"3.3 MB to download to {person.cache}\n" in ended.stdout
    plan = json.loads(person.types("pull", NAME, "--dry-run", "--json").stdout)
    assert (plan["event"], plan["download_bytes"]) == ("plan", SIZE)
    assert (hub.sent_bytes(f"{REPOSITORY}/{FILE}"), person.models()) == (0, ["demo"])


@POSIX
def test_ctrl_c_keeps_the_bytes_and_the_same_command_resumes(person: Person, hub: FakeHub) -> None:
    code, rest = stop_midway(person, hub)
    error = events(rest)[-1]["error"]
    assert code == 130
    assert isinstance(error, dict)
    assert re.fullmatch(r"stopped; [\d.]+ [kM]B of 3\.3 MB is kept, run the same command to resume", error["message"])
    assert person.models() == ["demo"]
    plan = events(person.types("pull", NAME, "--json").stdout)[0]
    assert isinstance(plan["download_bytes"], int)
    assert 0 < plan["download_bytes"] < SIZE
    assert hub.sent_bytes(f"{REPOSITORY}/{FILE}") <= SIZE * 1.1
    assert person.models() == [NAME, "demo"]


@POSIX
def test_a_terminal_gets_bars_and_its_cursor_is_restored(person: Person, hub: FakeHub) -> None:
    hub.set_rate(SLOW)
    terminal = Terminal("pull", NAME, environment=person.environment)
    try:
        terminal.read_until("kB/s")
        terminal.type("\x03")
        assert terminal.wait() == 130
        assert re.search(
            r"\x1b\[\?25hStopped; [\d.]+ [kM]B of 3\.3 MB is kept, run the same command to resume", terminal.screen
        )
        assert "Traceback" not in terminal.screen
    finally:
        terminal.close()


@POSIX
def test_a_dumb_terminal_gets_lines(person: Person) -> None:
    terminal = Terminal("pull", NAME, environment={**person.environment, "TERM": "dumb"})
    try:
        assert terminal.wait() == 0
        assert "\x1b" not in terminal.screen
        assert "demo-F16.gguf: done, sha256 verified\n" in terminal.screen
    finally:
        terminal.close()


@pytest.mark.parametrize("command", ["pull", "show"])
def test_no_network_is_exit_code_5(person: Person, hub: FakeHub, command: str) -> None:
    with hub.refusing():
        assert error_of(person.types(command, NAME, "--json")) == (5, "network")
    assert error_of(person.types(command, NAME, "--json", HF_HUB_OFFLINE="1")) == (5, "offline")
    assert person.models() == ["demo"]


def test_a_gated_repository_needs_a_token(person: Person, hub: FakeHub) -> None:
    hub.add_repository("acme/gated-GGUF", {FILE: DEMO_PATH}, gated=True)
    assert error_of(person.types("pull", "hf.co/acme/gated-GGUF", "--json")) == (5, "access_denied")
    plain = person.types("pull", "hf.co/acme/gated-GGUF")
    assert plain.stderr.startswith("Error: acme/gated-GGUF ")
    assert "\nHint: " in plain.stderr
    assert person.models() == ["demo"]
    assert person.types("pull", "hf.co/acme/gated-GGUF", HF_TOKEN=GOOD_TOKEN).code == 0


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (f"hf.co/{REPOSITORY}:Q8_0", "model_not_found"),
        (f"hf.co/{REPOSITORY}/other.gguf", "model_not_found"),
        ("hf.co/acme/nothing-GGUF", "model_not_found"),
        ("gemma4:27b", "model_not_found"),
        ("mine", "model_not_found"),
    ],
)
def test_an_unknown_name_is_exit_code_3(person: Person, name: str, code: str) -> None:
    assert error_of(person.types("pull", name, "--json")) == (3, code)
    assert person.models() == ["demo"]


def test_a_file_with_a_wrong_hash_gets_no_name(person: Person, hub: FakeHub) -> None:
    hub.fault(FaultKind.FLIP, SIZE - 1, stage=Stage.CDN, times=None)
    assert error_of(person.types("pull", NAME, "--json")) == (1, "digest_mismatch")
    assert person.models() == ["demo"]
    hub.faults.clear()
    assert person.types("pull", NAME).code == 0


def test_one_failed_name_does_not_stop_the_others(person: Person) -> None:
    ended = person.types("pull", "hf.co/acme/nothing-GGUF", NAME)
    assert (ended.code, person.models()) == (3, [NAME, "demo"])
    assert ended.stderr.endswith(
        "Error: could not pull 1 of 2 names: hf.co/acme/nothing-GGUF\nHint: g4run pull hf.co/acme/nothing-GGUF\n"
    )


def test_an_empty_revision_is_refused(person: Person, hub: FakeHub) -> None:
    ended = person.types("pull", NAME, "--revision", "")
    assert (ended.code, ended.stdout, hub.requests) == (2, "", ())
    assert ended.stderr == "Error: --revision is empty\nHint: g4run pull NAME --revision main\n"


def settle_bandwidth(person: Person) -> None:
    """Let two commands go by the same figure also where the machine is busy, and would be measured again."""
    person.asks("hardware")
    path = person.home / "g4run" / "hardware.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"was_busy": False}))


def test_the_name_of_a_size_means_what_recommend_chooses(person: Person, family: FakeHub) -> None:
    settle_bandwidth(person)
    best = person.asks("recommend", "gemma4:e2b")["best"]
    assert isinstance(best, dict)
    assert best["model"] == "gemma4:e2b-q8_0"  # served with 3 MB, where others have gigabytes
    note = f"gemma4:e2b means gemma4:e2b-q8_0 here: {best['reason']}"
    ended = person.types("pull", "gemma4:e2b")
    assert (ended.code, ended.stdout) == (0, "")
    assert f"\nnote: {note}\n" in ended.stderr
    assert ended.stderr.endswith("gemma4:e2b is ready: g4run chat gemma4:e2b\n")
    assert person.models() == ["gemma4:e2b", "demo"]
    assert person.asks("show", "gemma4:e2b") == {**person.asks("show", "gemma4:e2b-q8_0"), "name": "gemma4:e2b"}
    assert person.types("outdated").stdout == "1 model from the Hub, all up to date\n"
    with family.refusing():
        again = person.types("pull", "gemma4:e2b", HF_HUB_OFFLINE="1")
    assert (again.code, "nothing to download\n" in again.stderr, " means " in again.stderr) == (0, True, False)
    assert person.types("pull", "--all").code == 0


def test_the_json_of_a_dry_run_names_the_choice(person: Person, family: FakeHub) -> None:
    (plan,) = events(person.types("pull", "gemma4:e2b", "--dry-run", "--json").stdout)
    notes = plan["notes"]
    assert isinstance(notes, list)
    assert (plan["name"], plan["quantization"]) == ("gemma4:e2b", "Q8_0")
    assert notes[0].startswith("gemma4:e2b means gemma4:e2b-q8_0 here: ")
