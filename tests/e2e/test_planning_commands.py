"""`g4run plan` and `g4run recommend` as a person types them, where nothing answers at the Hub's address."""

import json
from pathlib import Path

import pytest

from tests.e2e.processes import run_g4run


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    """A fresh machine without network."""
    return {
        "G4RUN_HOME": str(tmp_path / "data"),
        "HF_HOME": str(tmp_path / "hf"),
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "HF_HUB_OFFLINE": "0",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ram", "x"], "--ram must be an amount of memory, not 'x'"),
        (["--gpu", "none such"], "no GPU called 'none such' is in the table of known ones"),
        (["--machine", "none.json"], "none.json cannot be read: no such file or directory"),
    ],
)
def test_what_is_typed_wrong_is_said_before_the_network_is_asked(
    nowhere: dict[str, str], arguments: list[str], message: str
) -> None:
    ended = run_g4run("plan", "hf.co/user/repository", *arguments, environment=nowhere)
    assert ended.code == 2
    assert ended.stderr.startswith(f"Error: {message}\nHint: ")


def test_a_machine_of_a_file_is_asked_about_without_network(nowhere: dict[str, str], tmp_path: Path) -> None:
    machine = tmp_path / "machine.json"
    machine.write_text(run_g4run("hardware", "--json", environment=nowhere).stdout, "utf-8")
    plan = run_g4run("plan", "gemma4:e2b", "--machine", str(machine), "--json", environment=nowhere)
    assert plan.code == 0
    assert json.loads(plan.stdout)["model"] == "gemma4:e2b-qat-q4_0"
    assert plan.stderr.endswith("; the plan is from the catalog, a few percent off\n")
    options = ("--machine", str(machine), "--ram", "64GB", "--gpu", "none", "--json")
    choice = run_g4run("recommend", *options, environment=nowhere)
    assert (choice.code, choice.stderr) == (0, "")
    best = json.loads(choice.stdout)["best"]
    assert best["fits"]
    assert set(best["settings"]) == set(json.loads(plan.stdout)["settings"])


def test_a_file_that_is_no_machine_is_named(nowhere: dict[str, str], tmp_path: Path) -> None:
    machine = tmp_path / "machine.json"
    machine.write_text("{}", "utf-8")
    ended = run_g4run("recommend", "--machine", str(machine), "--json", environment=nowhere)
    assert ended.code == 2
    assert json.loads(ended.stdout)["error"]["message"] == f"{machine}: the machine lacks platform"
