"""`g4run plan` and `g4run recommend` as a person types them, mostly where nothing answers at the Hub's address."""

import json
import platform
import sys
from pathlib import Path

import pytest

from scripts.shapes.metadata import text_value
from tests.e2e.people import NAME, Person
from tests.e2e.processes import run_g4run
from tests.fakes.gguf_files import gemma4_file
from tests.planner.shapes import write_sparse

CAN_BE_ASKED_TO_THE_BYTE = sys.platform == "linux" and platform.machine() == "x86_64"


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
        (["--gpu", "none such"], "'none such' is not a known GPU"),
        (["--machine", "none.json"], "cannot read none.json: no such file or directory"),
    ],
)
def test_usage_errors_come_before_network_requests(nowhere: dict[str, str], arguments: list[str], message: str) -> None:
    ended = run_g4run("plan", "hf.co/user/repository", *arguments, environment=nowhere)
    assert ended.code == 2
    assert ended.stderr.startswith(f"Error: {message}\nHint: ")


def test_an_endless_file_is_refused_as_machine(nowhere: dict[str, str], tmp_path: Path) -> None:
    machine = tmp_path / "machine.json"
    machine.write_bytes(b" " * ((1 << 20) + 1))
    ended = run_g4run("recommend", "--machine", str(machine), environment=nowhere)
    assert ended.code == 2
    assert ended.stderr.startswith(f"Error: {machine} is too large for a saved machine\n")


def test_a_saved_machine_needs_no_network(nowhere: dict[str, str], tmp_path: Path) -> None:
    machine = tmp_path / "machine.json"
    machine.write_text(run_g4run("hardware", "--json", environment=nowhere).stdout, "utf-8")
    plan = run_g4run("plan", "gemma4:e2b", "--machine", str(machine), "--json", environment=nowhere)
    assert plan.code == 0
    assert plan.stderr.endswith("; the plan uses the catalog and may be a few percent off\n")
    planned = json.loads(plan.stdout)["model"]
    same = run_g4run("recommend", "gemma4:e2b", "--machine", str(machine), "--json", environment=nowhere)
    assert planned == json.loads(same.stdout)["best"]["model"]
    assert plan.stderr.startswith(f"gemma4:e2b means {planned} here: ")
    options = ("--machine", str(machine), "--ram", "64GB", "--gpu", "none", "--json")
    choice = run_g4run("recommend", *options, environment=nowhere)
    assert (choice.code, choice.stderr) == (0, "")
    best = json.loads(choice.stdout)["best"]
    assert best["fits"]
    assert set(best["settings"]) == set(json.loads(plan.stdout)["settings"])


def test_a_file_without_a_machine_is_named(nowhere: dict[str, str], tmp_path: Path) -> None:
    machine = tmp_path / "machine.json"
    machine.write_text("{}", "utf-8")
    ended = run_g4run("recommend", "--machine", str(machine), "--json", environment=nowhere)
    assert ended.code == 2
    assert json.loads(ended.stdout)["error"]["message"] == f"{machine}: the machine lacks platform"


def test_a_model_missing_on_the_hub_is_planned_from_the_catalog(person: Person) -> None:
    ended = person.types("plan", "gemma4:e2b", "--json")
    assert ended.code == 0
    assert json.loads(ended.stdout)["is_exact"] is False
    assert ended.stderr.endswith("; the plan uses the catalog and may be a few percent off\n")
    unknown = person.types("plan", "hf.co/nobody/nothing:Q4_0")
    assert (unknown.code, unknown.stdout) == (3, "")


def test_typed_cores_are_used(nowhere: dict[str, str]) -> None:
    ended = run_g4run("plan", "demo", "--cores", "3", "--json", environment=nowhere)
    assert json.loads(ended.stdout)["settings"]["threads"] == 3
    assert run_g4run("plan", "demo", "--cores", "0", environment=nowhere).code == 2


def test_a_file_that_is_not_a_model_gets_a_hint(nowhere: dict[str, str]) -> None:
    ended = run_g4run("plan", "./README.md", environment=nowhere)
    assert ended.code == 1
    assert ended.stderr.endswith("\nHint: g4run list, or g4run list --available\n")


def test_llama_cpp_confirms_the_plan_of_an_installed_model(nowhere: dict[str, str], tmp_path: Path) -> None:
    path = write_sparse("e2b", "Q4_K_M", tmp_path / "e2b.gguf")
    text = run_g4run("plan", str(path), "--gpu-layers", "0", environment=nowhere).stdout
    value = json.loads(run_g4run("plan", str(path), "--gpu-layers", "0", "--json", environment=nowhere).stdout)
    if CAN_BE_ASKED_TO_THE_BYTE:
        assert text.splitlines()[-1] == "llama.cpp's own figures: identical to the byte."
        assert value["confirmed"] == {"by": "llama.cpp", "difference_bytes": 0}
    assert value["confirmed"]["by"] == "llama.cpp"
    assert value["not_confirmed_because"] is None


def test_llama_cpp_is_not_asked_about_other_machines_or_remote_models(person: Person) -> None:
    def reason(*arguments: str) -> object:
        value = json.loads(person.types("plan", *arguments, "--json").stdout)
        assert value["confirmed"] is None
        return value["not_confirmed_because"]

    assert reason("demo", "--ram", "8GB") == "the plan is for another machine"
    assert reason(NAME) == "the model is not on this machine"
    person.types("pull", NAME)
    assert json.loads(person.types("plan", NAME, "--json").stdout)["confirmed"]["by"] == "llama.cpp"


def test_a_model_that_llama_cpp_cannot_load_is_still_planned(nowhere: dict[str, str], tmp_path: Path) -> None:
    broken = gemma4_file().having("gemma4.pooling_type", text_value("none")).write(tmp_path / "broken.gguf")
    ended = run_g4run("plan", str(broken), environment=nowhere)
    assert (ended.code, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[-1].startswith("could not get llama.cpp's own figures: ")


def test_if_nothing_fits_the_json_has_the_missing_memory(nowhere: dict[str, str]) -> None:
    ended = run_g4run("recommend", "--ram", "1GB", "--gpu", "none", "--json", environment=nowhere)
    value = json.loads(ended.stdout)
    basis = {"assumptions", "memory_bandwidth"}
    assert (ended.code, set(value)) == (4, {"error", "alternatives", "after_freeing", *basis})
    assert value["assumptions"] == ["a typical desktop with 4 cores (AVX2) and 1.0 GB of memory at 38.4 GB/s"]
    assert value["memory_bandwidth"] == {"bytes_per_second": 38.4e9, "source": "assumed"}
    assert value["error"]["code"] == "does_not_fit"
    assert len(value["alternatives"]) > 100
    assert {(one["fits"], one["verdict"], one["reason"].split()[0]) for one in value["alternatives"]} == {
        (False, "no room", "needs")
    }
