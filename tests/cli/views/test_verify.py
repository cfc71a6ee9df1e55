from dataclasses import replace
from pathlib import Path

from msgspec import structs

from g4run.cli.views.json_values import json_value
from g4run.cli.views.verify import (
    checks_value,
    outdated_value,
    render_check,
    render_outdated,
    render_refresh,
    render_verdict,
    repair_hint,
)
from g4run.models.catalog.refresh import RefreshFailure, RefreshReport
from g4run.models.pull.outdated import OutdatedModel
from g4run.models.quantizations import FileRole
from g4run.models.store.records import Origin, Record, StoredFile, Summary
from g4run.models.store.verification import FileCheck, FileStatus

PATH = Path("/cache/snapshots/1a2b/x.gguf")
GOOD = FileCheck("gemma4:26b", FileRole.MODEL, PATH, 1000, FileStatus.OK, "ab", "ab")
WRONG = replace(GOOD, status=FileStatus.WRONG_DIGEST, actual="cd")
UNREADABLE = replace(GOOD, status=FileStatus.UNREADABLE, expected=None, actual=None, problem="Permission denied")

PULLED = Record(
    name="gemma4:26b",
    files=(StoredFile(FileRole.MODEL, PATH, 1000, "ab", Origin.DOWNLOADED, "acme/x", "1a2b", "dir/x.gguf"),),
    summary=Summary("26B A4B", 1, 1, "Q4_0", has_thinking=True),
    repository="acme/x",
    commit="1a2b",
    requested_revision=None,
    created_at="2026-11-21T12:00:00+00:00",
    modified_at="2026-11-21T12:00:00+00:00",
)
IMPORTED = structs.replace(PULLED, name="mine", files=(StoredFile(FileRole.MODEL, PATH, 1000, "ab", Origin.LINKED),))

OLD = OutdatedModel("gemma4:26b", "acme/x", "1a2b3c4d" + "0" * 32, "5e6f7a8b" + "0" * 32, ("x.gguf", "mmproj.gguf"))
CURRENT = replace(OLD, name="gemma4:e4b", changed=())

REPORT = RefreshReport(
    path=Path("/data/catalog.json"),
    refreshed_at="2026-11-21T12:00:00+00:00",
    refreshed=("acme/x", "acme/y"),
    changed=("acme/x",),
    failures=(RefreshFailure("acme/z", "there is no repository acme/z"),),
)


def test_a_good_file_is_one_line() -> None:
    assert render_check(GOOD) == "gemma4:26b: x.gguf: ok\n"
    assert render_check(replace(GOOD, status=FileStatus.NO_DIGEST, expected=None)) == (
        "gemma4:26b: x.gguf: no digest known\n"
    )


def test_a_bad_file_is_shown_with_its_path_and_digests() -> None:
    assert render_check(WRONG) == f"gemma4:26b: x.gguf: wrong digest\n  {PATH}\n  expected ab\n  found    cd\n"
    assert render_check(UNREADABLE) == f"gemma4:26b: x.gguf: unreadable\n  {PATH}\n  Permission denied\n"


def test_the_verdict_names_the_repair_commands() -> None:
    assert render_verdict([GOOD, GOOD], []) == "2 files checked, no problems found\n"
    assert render_verdict([GOOD, WRONG], [repair_hint(PULLED)]) == (
        "1 of 2 files failed\nHint: g4run rm gemma4:26b, then g4run pull gemma4:26b\n"
    )


def test_the_repair_depends_on_the_source() -> None:
    assert repair_hint(structs.replace(PULLED, name="work")) == "g4run rm work, then g4run pull hf.co/acme/x/dir/x.gguf"
    assert repair_hint(structs.replace(PULLED, name="gemma4-mine")).endswith("g4run pull hf.co/acme/x/dir/x.gguf")
    assert repair_hint(IMPORTED) == "g4run rm mine, then import the file again"


def test_checks_as_json() -> None:
    assert checks_value([WRONG]) == {
        "is_good": False,
        "files": [
            {
                "name": "gemma4:26b",
                "role": "model",
                "path": str(PATH),
                "size_bytes": 1000,
                "status": "wrong digest",
                "expected": "ab",
                "actual": "cd",
                "problem": None,
            }
        ],
    }
    assert checks_value([GOOD])["is_good"] is True


def test_outdated_models_are_a_table() -> None:
    assert render_outdated([OLD, CURRENT], 80) == (
        "NAME        LOCAL     LATEST    CHANGED FILES\ngemma4:26b  1a2b3c4d  5e6f7a8b  x.gguf, mmproj.gguf\n"
    )
    assert render_outdated([CURRENT], 80) == "1 model from the Hub, all up to date\n"
    assert render_outdated([], 80) == "0 models from the Hub, all up to date\n"


def test_outdated_models_as_json() -> None:
    assert outdated_value([OLD]) == {
        "models": [
            {
                "name": "gemma4:26b",
                "repository": "acme/x",
                "current_commit": OLD.current_commit,
                "newest_commit": OLD.newest_commit,
                "changed": ["x.gguf", "mmproj.gguf"],
                "is_outdated": True,
            }
        ]
    }


def test_a_refresh_names_the_repositories_that_failed() -> None:
    assert render_refresh(REPORT) == (
        "2 repositories listed, 1 changed\n"
        "not updated: there is no repository acme/z\n"
        f"catalog saved to {REPORT.path}\n"
    )
    one = replace(REPORT, refreshed=REPORT.refreshed[:1])
    assert render_refresh(one).startswith("1 repository listed, 1 changed\n")
    assert json_value(REPORT) == {
        "path": str(REPORT.path),
        "refreshed_at": "2026-11-21T12:00:00+00:00",
        "refreshed": ["acme/x", "acme/y"],
        "changed": ["acme/x"],
        "failures": [{"repository": "acme/z", "message": "there is no repository acme/z"}],
    }
