from dataclasses import replace
from pathlib import Path

from g4run.cli.views.pull import (
    plan_value,
    render_plan,
    render_ready,
    render_stopped,
)
from tests.cli.pulls import COMMIT, DIGEST, MODEL, PLAN, PROJECTOR, REPOSITORY

FOUND = replace(PROJECTOR, source="elsewhere", where=Path("/models/mmproj.gguf"))


def test_a_plan_lists_files_sources_sizes_and_free_space() -> None:
    assert render_plan(PLAN, 80) == (
        "gemma4:26b from google/gemma-4-26B-A4B-it-qat-q4_0-gguf@1a2b3c4d\n"
        "  model      gemma-4-26B_q4_0-it.gguf      1.0 GB  250.0 MB downloaded\n"
        "  projector  gemma-4-26B-it-mmproj.gguf  500.0 MB  already in the cache\n"
        f"750.0 MB to download to {PLAN.cache_directory}\n"
        "20.0 GB free there, 19.2 GB afterwards\n"
        "note: size unconfirmed\n"
    )


def test_a_long_note_is_wrapped_without_breaking_names() -> None:
    note = "gemma4:26b means gemma4:26b-ud-q3_k_xl here: the best of 9 files that fit and reach 5 tokens/s"
    plan = replace(PLAN, notes=(note,))
    assert render_plan(plan, 60).endswith(
        "\nnote: gemma4:26b means gemma4:26b-ud-q3_k_xl here: the best\n  of 9 files that fit and reach 5 tokens/s\n"
    )
    assert render_plan(plan, None).endswith(f"\nnote: {note}\n")


def test_a_plan_reports_too_little_space() -> None:
    plan = replace(PLAN, files=(MODEL, FOUND), free_bytes=999_000_000, notes=())
    assert render_plan(plan, None) == (
        "gemma4:26b from google/gemma-4-26B-A4B-it-qat-q4_0-gguf@1a2b3c4d\n"
        "  model      gemma-4-26B_q4_0-it.gguf      1.0 GB\n"
        f"  projector  gemma-4-26B-it-mmproj.gguf  500.0 MB  found at {FOUND.where}\n"
        f"1.0 GB to download to {PLAN.cache_directory}\n"
        "999.0 MB free there: not enough\n"
    )


def test_a_file_from_another_repository_names_it() -> None:
    plan = replace(PLAN, files=(replace(PROJECTOR, repository="ggml-org/gemma"),), notes=())
    line = "  projector  ggml-org/gemma/gemma-4-26B-it-mmproj.gguf  500.0 MB  already in the cache"
    assert render_plan(plan, None).splitlines()[1] == line


def test_unknown_free_space_is_omitted() -> None:
    plan = replace(PLAN, free_bytes=None, notes=())
    assert render_plan(plan, None).endswith(f"\n750.0 MB to download to {PLAN.cache_directory}\n")
    assert (plan_value(plan)["free_bytes"], plan_value(plan)["free_bytes_afterwards"]) == (None, None)


def test_a_plan_with_nothing_to_download_says_so() -> None:
    assert render_plan(replace(PLAN, files=(PROJECTOR,), notes=()), 80).endswith("\nnothing to download\n")


def test_a_plan_as_json() -> None:
    assert plan_value(replace(PLAN, files=(FOUND,))) == {
        "name": "gemma4:26b",
        "repository": REPOSITORY,
        "commit": COMMIT,
        "requested_revision": None,
        "quantization": "Q4_0",
        "files": [
            {
                "role": "projector",
                "repository": REPOSITORY,
                "commit": COMMIT,
                "path": "gemma-4-26B-it-mmproj.gguf",
                "size_bytes": 500_000_000,
                "sha256": DIGEST,
                "present_bytes": 500_000_000,
                "source": "elsewhere",
                "where": str(FOUND.where),
            }
        ],
        "total_bytes": 500_000_000,
        "download_bytes": 0,
        "free_bytes": 20_000_000_000,
        "free_bytes_afterwards": 20_000_000_000,
        "cache_directory": str(PLAN.cache_directory),
        "notes": ["size unconfirmed"],
    }


def test_the_end_of_a_pull_names_the_next_command() -> None:
    assert render_ready("gemma4:26b") == "gemma4:26b is ready: g4run chat gemma4:26b\n"
    assert render_stopped(1_200_000_000, 3_100_000_000) == (
        "stopped; 1.2 GB of 3.1 GB is kept, run the same command to resume"
    )
