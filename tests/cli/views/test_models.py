from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from g4run.cli.views.models import (
    available_value,
    models_value,
    render_age,
    render_available,
    render_cut_note,
    render_damaged,
    render_models,
)
from g4run.models.catalog.values import Quality
from g4run.models.store.records import DamagedEntry
from g4run.planner.values import Fit
from g4run.runtime.available_models import AvailableModel
from g4run.runtime.installed_models import InstalledModel

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

PULLED = InstalledModel(
    name="gemma4:26b",
    id="0123456789ab",
    size_bytes=15_638_000_000,
    size_label="26B A4B",
    parameters=25_233_142_046,
    quantization="Q4_0",
    modified_at="2026-11-18T11:00:00+00:00",
    fits=Fit.TIGHT,
    repository="google/gemma-4-26B-A4B-it-qat-q4_0-gguf",
    commit="0" * 40,
    paths=("/cache/gemma-4-26B_q4_0-it.gguf", "/cache/mmproj.gguf"),
)
DEMO = InstalledModel(
    name="demo",
    id="e6ff43dfbeac",
    size_bytes=3_293_792,
    size_label="other",
    parameters=1_618_342,
    quantization="F16",
    modified_at=None,
    fits=Fit.YES,
    repository=None,
    commit=None,
    paths=("/g4run/data/demo.gguf",),
)
LONG = replace(PULLED, name="hf.co/unsloth/gemma-4-26B-A4B-it-GGUF:UD-Q4_K_XL", quantization="UD-Q4_K_XL", fits=Fit.NO)
DAMAGED = DamagedEntry(Path("/data/models/mine.json"), "mine", "it is not JSON")

KNOWN = AvailableModel(
    name="gemma4:31b-q4_k_m",
    repository="unsloth/gemma-4-31B-it-GGUF",
    paths=("gemma-4-31B-it-Q4_K_M.gguf",),
    quantization="Q4_K_M",
    size_bytes=18_323_000_000,
    size_is_exact=True,
    bits_per_weight=4.7748,
    quality=Quality(0.61, "KLD", "localbench", is_confirmed=True),
    fits=Fit.NO,
    is_confirmed=True,
    is_installed=True,
)
DOUBTFUL = replace(
    KNOWN,
    name="gemma4:31b-iq3_xs",
    quantization="IQ3_XS",
    size_bytes=13_000_000_000,
    size_is_exact=False,
    quality=Quality(84.76, "NL2Bash", "a forum", is_confirmed=False),
    fits=Fit.TIGHT,
    is_confirmed=False,
    is_installed=False,
)
UNKNOWN = replace(
    DOUBTFUL,
    name="hf.co/acme/x/a.gguf",
    quantization=None,
    size_bytes=None,
    size_is_exact=True,
    bits_per_weight=None,
    quality=None,
    fits=None,
    is_confirmed=True,
)


@pytest.mark.parametrize(
    ("moment", "age"),
    [
        ("2026-11-21T11:59:30+00:00", "just now"),
        ("2026-11-21T13:00:00+00:00", "just now"),
        ("2026-11-21T11:59:00Z", "1 minute ago"),
        ("2026-11-21T10:00:01+00:00", "1 hour ago"),
        ("2026-11-21T10:00:00+00:00", "2 hours ago"),
        ("2026-11-18T11:00:00+00:00", "3 days ago"),
        ("2026-11-14T12:00:00+00:00", "1 week ago"),
        ("2026-10-01T12:00:00+00:00", "1 month ago"),
        ("2024-11-21T12:00:00+00:00", "2 years ago"),
    ],
)
def test_an_age_uses_the_largest_unit(moment: str, age: str) -> None:
    assert render_age(moment, NOW) == age


def test_models_are_a_table() -> None:
    assert render_models([PULLED, LONG, DEMO], NOW, None) == (
        "NAME                                              ID               SIZE  QUANT       MODIFIED    FITS\n"
        "gemma4:26b                                        0123456789ab  15.6 GB  Q4_0        3 days ago  tight\n"
        "hf.co/unsloth/gemma-4-26B-A4B-it-GGUF:UD-Q4_K_XL  0123456789ab  15.6 GB  UD-Q4_K_XL  3 days ago  no\n"
        "demo                                              e6ff43dfbeac   3.3 MB  F16         built in    yes\n"
    )


def test_models_are_readable_at_80_columns() -> None:
    assert render_models([PULLED, LONG, DEMO], NOW, 80) == (
        "NAME                        ID               SIZE  QUANT       MODIFIED    FITS\n"
        "gemma4:26b                  0123456789ab  15.6 GB  Q4_0        3 days ago  tight\n"
        "hf.co/unsloth…F:UD-Q4_K_XL  0123456789ab  15.6 GB  UD-Q4_K_XL  3 days ago  no\n"
        "demo                        e6ff43dfbeac   3.3 MB  F16         built in    yes\n"
    )


def test_models_as_json() -> None:
    assert models_value([PULLED], [DAMAGED]) == {
        "models": [
            {
                "name": "gemma4:26b",
                "id": "0123456789ab",
                "size_bytes": 15_638_000_000,
                "size_label": "26B A4B",
                "parameters": 25_233_142_046,
                "quantization": "Q4_0",
                "modified_at": "2026-11-18T11:00:00+00:00",
                "fits": "tight",
                "repository": "google/gemma-4-26B-A4B-it-qat-q4_0-gguf",
                "commit": "0" * 40,
                "paths": ["/cache/gemma-4-26B_q4_0-it.gguf", "/cache/mmproj.gguf"],
            }
        ],
        "damaged": [{"name": "mine", "path": str(Path("/data/models/mine.json")), "problem": "it is not JSON"}],
    }


def test_a_damaged_entry_is_named_with_its_file() -> None:
    assert render_damaged(DAMAGED) == f"damaged: mine: it is not JSON\n  {DAMAGED.path}\n"


def test_available_models_mark_uncertain_values() -> None:
    assert render_available([KNOWN, DOUBTFUL, UNKNOWN], 80) == (
        "NAME                 QUANT         SIZE  BITS  QUALITY      FITS   LOCAL\n"
        "gemma4:31b-q4_k_m    Q4_K_M     18.3 GB   4.8  0.61 [1]     no     yes\n"
        "gemma4:31b-iq3_xs    IQ3_XS ?  ≈13.0 GB   4.8  84.76 [2] ?  tight\n"
        "hf.co/acme/x/a.gguf                   ?                     ?\n"
        "\n"
        "[1] KLD; localbench\n"
        "[2] NL2Bash; a forum\n"
        "≈ approximate: published rounded, or computed\n"
        "? not confirmed: `g4run catalog refresh` updates the list from the Hub\n"
    )


def test_a_list_without_uncertain_values_has_no_notes() -> None:
    assert render_available([replace(KNOWN, quality=None)], 80) == (
        "NAME               QUANT      SIZE  BITS  QUALITY  FITS  LOCAL\n"
        "gemma4:31b-q4_k_m  Q4_K_M  18.3 GB   4.8           no    yes\n"
    )


def test_short_names_are_explained_below_the_table() -> None:
    default = replace(KNOWN, quality=None, short_names=("gemma4:31b",))
    assert render_available([default, replace(KNOWN, quality=None, name="x")], 80).endswith(
        "\n\ngemma4:31b means gemma4:31b-q4_k_m on this machine\n"
    )
    both = replace(default, short_names=("gemma4", "gemma4:31b"))
    assert "\n\ngemma4 and gemma4:31b mean gemma4:31b-q4_k_m on this machine\n" in render_available([both], None)
    assert "'short_names': ['gemma4:31b']" in str(available_value([default]))


def test_values_that_a_refresh_cannot_confirm_do_not_suggest_one() -> None:
    doubtful = replace(DOUBTFUL, is_confirmed=True, size_is_exact=True)
    assert render_available([doubtful], 80).endswith("\n[1] NL2Bash; a forum\n? not confirmed\n")


def test_long_notes_are_wrapped_and_cut_names_explained() -> None:
    scale = Quality(1, "KLD", "a study of " + "many " * 20, is_confirmed=True)
    shown = render_available([replace(KNOWN, name="hf.co/" + "x" * 90, quality=scale)], 80)
    assert max(len(line) for line in shown.splitlines()) <= 80
    assert render_cut_note(shown).startswith("names with … are cut")
    assert len(render_cut_note(shown)) <= 80
    assert render_cut_note(render_available([KNOWN], 80)) == ""


def test_available_models_as_json() -> None:
    assert available_value([KNOWN, UNKNOWN]) == {
        "available": [
            {
                "name": "gemma4:31b-q4_k_m",
                "repository": "unsloth/gemma-4-31B-it-GGUF",
                "paths": ["gemma-4-31B-it-Q4_K_M.gguf"],
                "quantization": "Q4_K_M",
                "size_bytes": 18_323_000_000,
                "size_is_exact": True,
                "bits_per_weight": 4.77,
                "quality": {"metric": "KLD", "value": 0.61, "source": "localbench", "is_confirmed": True},
                "fits": "no",
                "is_confirmed": True,
                "is_installed": True,
                "short_names": [],
            },
            {
                "name": "hf.co/acme/x/a.gguf",
                "repository": "unsloth/gemma-4-31B-it-GGUF",
                "paths": ["gemma-4-31B-it-Q4_K_M.gguf"],
                "quantization": None,
                "size_bytes": None,
                "size_is_exact": True,
                "bits_per_weight": None,
                "quality": None,
                "fits": None,
                "is_confirmed": True,
                "is_installed": False,
                "short_names": [],
            },
        ]
    }
