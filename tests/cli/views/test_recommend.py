import json
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from g4run.cli.arguments.machine import MachineOptions, read_machine, resolve_machine
from g4run.cli.commands.recommend import make_request
from g4run.cli.views.recommend import (
    SHOWN,
    candidate_value,
    choose_rows,
    recommendation_value,
    render_recommendation,
)
from g4run.cli.views.tables import display_width
from g4run.errors import DoesNotFit, G4RunError, UsageError
from g4run.hardware.machine_json import machine_value
from g4run.kv_types import KvType
from g4run.models.catalog.catalog import read_catalog
from g4run.models.names.types import Size
from g4run.planner.recommend.goals import Goal, Preference, RecommendRequest
from g4run.planner.recommend.quality import METRIC
from g4run.planner.recommend.recommend import Recommendation, recommend
from g4run.planner.values import SpeedSource
from g4run.settings import read_settings
from tests.planner.golden_table import NOWHERE
from tests.planner.known_machines import known_machines, make_machine

CATALOG = read_catalog(NOWHERE)
MACHINES = dict(known_machines())
RTX_4090 = MACHINES["desktop, RTX 4090 24 GB, 64 GB"]
BUSY = MACHINES["desktop, RTX 4090 busy (20 GB held), 32 GB"]


def ask(name: str) -> Recommendation:
    return recommend(CATALOG, MACHINES[name], RecommendRequest())


CHOICE = recommend(CATALOG, RTX_4090, RecommendRequest())


def test_the_choice_is_one_sentence_followed_by_commands() -> None:
    best = CHOICE.require_best()
    text = render_recommendation(CHOICE, 80, show_all=False, is_installed=False)
    sentence, commands, table, legend, *_ = text.split("\n\n")
    speed = f"{best.speed.generation.expected:.0f}"
    assert " ".join(sentence.split()) == (
        "31B in quantization-aware trained Q4_0 suits this machine best: all on the GPU, "
        f"about {speed} tokens/s, a context of 8,192 tokens ({best.reason})."
    )
    assert commands == "  g4run pull gemma4:31b-qat-q4_0\n  g4run chat gemma4:31b-qat-q4_0"
    assert table.splitlines()[0] == "MODEL    QUANT           FILE   GPU  RAM   CTX       TOKENS/S  QUALITY  VERDICT"
    assert table.splitlines()[1].split()[:4] == ["31B", "Q4_0", "QAT", "17.7"]
    assert table.splitlines()[1].endswith("  best")
    assert len(table.splitlines()) == 1 + SHOWN
    assert legend.startswith("FILE, GPU, RAM: in GB;")


def test_a_speed_from_a_different_source_is_named() -> None:
    best = CHOICE.require_best()
    measured = replace(best, speed=structs.replace(best.speed, source=SpeedSource.MEASURED))
    usual = CHOICE.alternatives[0].speed.source
    assert {other.speed.source for other in choose_rows(best, CHOICE.alternatives)} == {usual} != {SpeedSource.MEASURED}
    text = render_recommendation(structs.replace(CHOICE, best=measured), None, show_all=False, is_installed=False)
    legend = " ".join(text.split("\n\n")[3].split())
    assert legend.endswith(f"; measured here: 31B {best.file.quantization}.")
    assert f"Speeds are {usual.value}" in legend


def test_an_installed_model_need_not_be_pulled() -> None:
    text = render_recommendation(CHOICE, 80, show_all=False, is_installed=True)
    assert text.split("\n\n")[1] == "  g4run chat gemma4:31b-qat-q4_0"


@pytest.mark.parametrize("name", list(MACHINES)[::5])
def test_it_is_readable_at_80_columns_for_every_machine(name: str) -> None:
    lines = render_recommendation(ask(name), 80, show_all=True, is_installed=False).splitlines()
    assert [line for line in lines if display_width(line) > 80] == []


def test_every_row_has_a_reason_and_hidden_rows_are_counted() -> None:
    short = render_recommendation(CHOICE, None, show_all=False, is_installed=False)
    rows = choose_rows(CHOICE.require_best(), CHOICE.alternatives)
    why = short.split("Why not:\n")[1].split("\n\n")[0]
    first = rows[0]
    label = first.plan.shape.architecture.size_label
    assert " ".join(why.split()).startswith(f"{label} {first.file.quantization}: {first.reason}")
    assert short.endswith(f"\n{len(CHOICE.alternatives) - len(rows)} more with --all\n")
    whole = render_recommendation(CHOICE, None, show_all=True, is_installed=False)
    assert len(whole.split("\n\n")[2].splitlines()) == 2 + len(CHOICE.alternatives)
    assert "--all" not in whole


def test_the_short_table_has_every_size() -> None:
    rows = choose_rows(CHOICE.require_best(), CHOICE.alternatives)
    assert len(rows) == SHOWN - 1
    assert {row.file.size for row in rows} == set(Size)
    assert [row for row in CHOICE.alternatives if row in rows] == list(rows)


def test_models_that_fit_after_freeing_memory_are_listed_separately() -> None:
    found = recommend(CATALOG, BUSY, RecommendRequest())
    text = render_recommendation(found, None, show_all=False, is_installed=False)
    part = " ".join(text.split("After freeing memory:\n")[1].split())
    assert part.startswith(f"31B Q4_0: needs {found.after_freeing[0].freeing}")


def test_both_views_fail_if_nothing_fits() -> None:
    found = recommend(CATALOG, make_machine(1, 1, 10), RecommendRequest())
    with pytest.raises(DoesNotFit):
        render_recommendation(found, 80, show_all=False, is_installed=False)
    with pytest.raises(DoesNotFit):
        recommendation_value(found)


def test_json_has_the_fields_that_programs_rely_on() -> None:
    best = CHOICE.require_best()
    gpu, cpu = best.plan.ledger.devices
    generation, prompt = best.speed.generation, best.speed.prompt
    value = candidate_value(best)
    assert value == {
        "model": "gemma4:31b-qat-q4_0",
        "quantization": "Q4_0",
        "file_bytes": 17_651_001_568,
        "context": 8192,
        "kv_type": "f16",
        "placement": "gpu",
        "fits": True,
        "memory": {
            "gpu_bytes": gpu.total_bytes,
            "ram_bytes": cpu.total_bytes,
            "free_gpu_bytes": gpu.free_bytes,
            "free_ram_bytes": cpu.free_bytes,
        },
        "speed": {
            "generation_tokens_per_second": {
                "low": round(generation.low, 2),
                "expected": round(generation.expected, 2),
                "high": round(generation.high, 2),
            },
            "prompt_tokens_per_second": {
                "low": round(prompt.low, 2),
                "expected": round(prompt.expected, 2),
                "high": round(prompt.high, 2),
            },
            "source": "calibrated",
        },
        "quality": {
            "value": 4.85,
            "metric": METRIC,
            "source": "quantization-aware trained: as good as 6 bits",
        },
        "settings": {
            "gpu_layers": 61,
            "cpu_expert_layers": 0,
            "kv_type": "f16",
            "context": 8192,
            "batch": 512,
            "micro_batch": 512,
            "sequences": 1,
            "threads": 16,
            "lazy_table": False,
            "repack": False,
            "checkpoint_bytes": 512 << 20,
            "ram_cache_bytes": 1 << 30,
            "token_table_bytes": 300 << 18,
        },
        "max_context": {str(kv_type): tokens for kv_type, tokens in best.plan.max_context.items()},
        "verdict": "best",
        "reason": best.reason,
        "command": "g4run chat gemma4:31b-qat-q4_0",
        "path_is_confirmed": True,
    }
    assert json.loads(json.dumps(value)) == value


def test_json_has_all_alternatives_and_the_memory_to_free() -> None:
    found = recommend(CATALOG, BUSY, RecommendRequest())
    assert recommendation_value(found) == {
        "best": candidate_value(found.require_best()),
        "alternatives": [candidate_value(other) for other in found.alternatives],
        "after_freeing": [{**candidate_value(other), "freeing": other.freeing} for other in found.after_freeing],
    }


def test_typed_options_become_a_request() -> None:
    assert make_request("gemma4:26b", 4096, 7.5, "Quality", "long-context", "q8_0") == RecommendRequest(
        Goal.LONG_CONTEXT, Preference.QUALITY, Size.A4B_26B, 4096, KvType.Q8_0, 7.5
    )
    assert make_request("31B", None, None, "balanced", "chat", None) == RecommendRequest(size=Size.DENSE_31B)


@pytest.mark.parametrize(
    ("model", "context", "speed", "preference", "goal", "kv_type", "message"),
    [
        (None, 0, None, "balanced", "chat", None, "--ctx must be between 1 and 2147483647, not 0"),
        (None, None, -1.0, "balanced", "chat", None, "--min-speed must be 0 or more, not -1.0"),
        (None, None, float("nan"), "balanced", "chat", None, "--min-speed must be 0 or more, not nan"),
        (None, None, None, "best", "chat", None, "--prefer must be one of quality, balanced, speed, not 'best'"),
        (
            *(None, None, None, "speed", "talk", None),
            "--for must be one of chat, code, vision, audio, long-context, not 'talk'",
        ),
        (None, None, None, "speed", "chat", "q5", "--kv must be one of f16, q8_0, q4_0, not 'q5'"),
        ("demo", None, None, "speed", "chat", None, "demo is not a size of Gemma 4"),
        ("gemma4:26b-q4_0", None, None, "speed", "chat", None, "gemma4:26b-q4_0 is not a size of Gemma 4"),
    ],
)
def test_an_invalid_option_is_explained(
    model: str | None,
    context: int | None,
    speed: float | None,
    preference: str,
    goal: str,
    kv_type: str | None,
    message: str,
) -> None:
    with pytest.raises(UsageError) as caught:
        make_request(model, context, speed, preference, goal, kv_type)
    assert caught.value.message == message


def test_a_saved_machine_is_read_and_changed(tmp_path: Path) -> None:
    path = tmp_path / "machine.json"
    path.write_text(json.dumps(machine_value(RTX_4090)), "utf-8")
    assert read_machine(path) == RTX_4090
    altered = resolve_machine(MachineOptions(file=path, gpu=["none"], ram="16GB", cores=4), read_settings())
    assert (altered.gpus, altered.memory.total_bytes, altered.processors.threads) == ((), 16 * 10**9, 4)


def test_a_file_without_a_machine_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "machine.json"
    messages = []
    for content in ("{", "{}"):
        path.write_text(content, "utf-8")
        with pytest.raises(UsageError) as caught:
            read_machine(path)
        messages.append(caught.value.message)
    assert messages[0].startswith(f"{path} is not JSON: ")
    assert messages[1] == f"{path}: the machine lacks platform"
    with pytest.raises(G4RunError) as missing:
        read_machine(tmp_path / "none.json")
    assert missing.value.message == f"cannot read {tmp_path / 'none.json'}: no such file or directory"


@pytest.mark.parametrize("cores", [0, 513])
def test_too_many_cores_are_refused(cores: int) -> None:
    with pytest.raises(UsageError, match=rf"^--cores must be between 1 and 512, not {cores}$"):
        resolve_machine(MachineOptions(cores=cores), read_settings())
