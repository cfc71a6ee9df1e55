import os
from dataclasses import replace
from pathlib import Path

from g4run.cli.views.json_values import json_value
from g4run.cli.views.store import (
    found_value,
    pruned_value,
    render_found,
    render_pruned,
    render_removal,
    render_usage,
)
from g4run.models.external.search import ExternalModels, FoundModel
from g4run.models.store.removal import KeptFile, Removal
from g4run.models.store.usage import DiskUsage, ModelUsage, Pruned, RemovedPartial

QUOTE = '"' if os.name == "nt" else "'"
BLOB = Path("/cache/blobs/abab")
REMOVAL = Removal("gemma4:26b", 1_500_000_000, (KeptFile(BLOB, "mine also uses it"),))
PARTIAL = RemovedPartial(Path("/cache/blobs/ab.g4run.incomplete"), "acme/x", 700_000_000)
KEPT = replace(PARTIAL, freed_bytes=0, kept="another process is downloading it")
USAGE = DiskUsage(
    models=(ModelUsage("gemma4:26b", 15_600_000_000, 600_000_000, ()), ModelUsage("mine", 15_000_000_000, 0, (BLOB,))),
    total_bytes=15_600_000_000,
    partial_bytes=700_000_000,
    foreign_partial_bytes=0,
    header_cache_bytes=16_000_000,
    free_bytes=None,
    directory=Path("/cache"),
    data_directory=Path("/data"),
)
PRUNED = Pruned(partials=(PARTIAL, KEPT), header_bytes=16_000_000, temporary_bytes=2_000, vanished=("mine",))
FOUND = ExternalModels(
    models=(
        FoundModel("LM Studio", "acme/x", Path("/lm studio/x.gguf"), 5_000_000_000, None, None),
        FoundModel("Ollama", "gemma4:e4b", Path("/ollama/sha256-ab"), 9_600_000_000, "ab", "a tensor is missing"),
    ),
    other_count=3,
)


def test_a_removal_shows_freed_space_and_kept_files() -> None:
    assert render_removal(REMOVAL) == (f"removed gemma4:26b, 1.5 GB freed\n  kept {BLOB}\n    mine also uses it\n")
    assert {"removed": json_value([REMOVAL])} == {
        "removed": [
            {
                "name": "gemma4:26b",
                "freed_bytes": 1_500_000_000,
                "kept": [{"path": str(BLOB), "reason": "mine also uses it"}],
            }
        ]
    }


def test_usage_counts_each_file_once() -> None:
    assert render_usage(USAGE, 80) == (
        "NAME           SIZE    UNIQUE\n"
        "gemma4:26b  15.6 GB  600.0 MB\n"
        "mine        15.0 GB       0 B  a file is missing\n"
        "\n"
        "all models    15.6 GB  each file counted once\n"
        "unfinished   700.0 MB  g4run prune\n"
        "headers       16.0 MB  g4run prune\n"
        f"free          unknown  {USAGE.directory}\n"
    )


def test_usage_of_an_empty_store_has_no_table() -> None:
    usage = replace(USAGE, models=(), total_bytes=0, partial_bytes=0, foreign_partial_bytes=1_000, header_cache_bytes=0)
    assert render_usage(replace(usage, free_bytes=10**12), 80) == (
        "all models        0 B  each file counted once\n"
        "unfinished        0 B\n"
        "               1.0 kB  unfinished, by other programs: hf cache prune\n"
        "headers           0 B\n"
        f"free           1.0 TB  {USAGE.directory}\n"
    )


def test_usage_as_json() -> None:
    assert json_value(USAGE) == {
        "models": [
            {"name": "gemma4:26b", "size_bytes": 15_600_000_000, "own_bytes": 600_000_000, "missing": []},
            {"name": "mine", "size_bytes": 15_000_000_000, "own_bytes": 0, "missing": [str(BLOB)]},
        ],
        "total_bytes": 15_600_000_000,
        "partial_bytes": 700_000_000,
        "foreign_partial_bytes": 0,
        "header_cache_bytes": 16_000_000,
        "free_bytes": None,
        "directory": str(USAGE.directory),
        "data_directory": str(USAGE.data_directory),
    }


def test_pruning_shows_removed_and_kept_files() -> None:
    assert render_pruned(PRUNED, is_dry_run=False) == (
        "removed: cached headers, 16.0 MB\n"
        "removed: temporary files, 2.0 kB\n"
        "removed: unfinished download of acme/x, 700.0 MB\n"
        f"kept {PARTIAL.path}\n    another process is downloading it\n"
        "716.0 MB freed\n"
        "mine has a missing file: run g4run verify mine\n"
    )
    assert render_pruned(Pruned((PARTIAL,), 0, 0, ()), is_dry_run=True) == (
        "would be removed: unfinished download of acme/x, 700.0 MB\n700.0 MB would be freed\n"
    )
    assert render_pruned(Pruned((), 0, 0, ()), is_dry_run=False) == "nothing to remove\n"


def test_pruning_as_json() -> None:
    assert pruned_value(replace(PRUNED, partials=(KEPT,)), is_dry_run=True) == {
        "is_dry_run": True,
        "partials": [
            {
                "path": str(PARTIAL.path),
                "repository": "acme/x",
                "freed_bytes": 0,
                "is_ours": True,
                "kept": "another process is downloading it",
            }
        ],
        "header_bytes": 16_000_000,
        "temporary_bytes": 2_000,
        "freed_bytes": 16_002_000,
        "vanished": ["mine"],
    }


def test_external_models_come_with_their_import_command() -> None:
    lm_studio, ollama = FOUND.models
    assert render_found(FOUND) == (
        "acme/x, 5.0 GB, LM Studio\n"
        f"  {lm_studio.path}\n"
        f"  g4run import {QUOTE}{lm_studio.path}{QUOTE}\n"
        "gemma4:e4b, 9.6 GB, Ollama\n"
        f"  {ollama.path}\n"
        "  not usable: a tensor is missing\n"
        "3 other files are not supported Gemma 4\n"
    )
    usable = replace(ollama, problem=None, name="host:1/Some One/gemma4:e4b")
    assert render_found(ExternalModels((usable,), 1)).splitlines()[2:] == [
        f"  g4run import {ollama.path} --name ollama-host-1-some-one-gemma4-e4b",
        "1 other file is not a supported Gemma 4",
    ]
    assert render_found(ExternalModels((), 0)) == "found no Gemma 4 in LM Studio, Ollama, or the Hugging Face cache\n"


def test_external_models_as_json() -> None:
    assert found_value(FOUND) == {
        "found": [
            {
                "origin": "LM Studio",
                "name": "acme/x",
                "path": str(FOUND.models[0].path),
                "size_bytes": 5_000_000_000,
                "sha256": None,
                "problem": None,
                "command": f"g4run import {QUOTE}{FOUND.models[0].path}{QUOTE}",
            },
            {
                "origin": "Ollama",
                "name": "gemma4:e4b",
                "path": str(FOUND.models[1].path),
                "size_bytes": 9_600_000_000,
                "sha256": "ab",
                "problem": "a tensor is missing",
                "command": None,
            },
        ],
        "other_count": 3,
    }
