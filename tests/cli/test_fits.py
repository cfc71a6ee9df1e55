import re
from dataclasses import replace
from pathlib import Path

from g4run.cli.fits import add_fit_note, find_fit
from g4run.models.catalog.catalog import read_catalog
from g4run.models.quantizations import FileRole
from tests.cli.pulls import MODEL, PLAN

HUGE_BYTES = 10**16


def test_what_no_machine_has_memory_for_is_said_but_not_refused(tmp_path: Path) -> None:
    plan = replace(PLAN, files=(replace(MODEL, size_bytes=HUGE_BYTES),))
    *before, note = add_fit_note(plan, read_catalog(tmp_path)).notes
    assert tuple(before) == PLAN.notes
    assert re.fullmatch(r"does not fit this machine's memory: 100\d\d\.\d TB of [\d.]+ [GMT]B", note)


def test_the_drafter_is_not_counted_nor_a_small_model_warned_of(tmp_path: Path) -> None:
    plan = replace(
        PLAN,
        files=(replace(MODEL, size_bytes=1000), replace(MODEL, role=FileRole.DRAFTER, size_bytes=HUGE_BYTES)),
        repository="acme/x",
    )
    plan = replace(plan, files=tuple(replace(file, repository="acme/x") for file in plan.files))
    assert add_fit_note(plan, read_catalog(tmp_path)) == plan


def test_a_fit_is_yes_or_no() -> None:
    assert find_fit(1000, "other").value == "yes"
    assert find_fit(HUGE_BYTES, "31B").value == "no"
