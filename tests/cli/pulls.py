"""A handmade pull plan."""

from dataclasses import replace
from pathlib import Path

from g4run.models.pull.plan import PlannedFile, PullPlan
from g4run.models.quantizations import FileRole

REPOSITORY = "google/gemma-4-26B-A4B-it-qat-q4_0-gguf"
COMMIT = "1a2b3c4d" + "0" * 32
DIGEST = "ab" * 32

MODEL = PlannedFile(
    role=FileRole.MODEL,
    repository=REPOSITORY,
    commit=COMMIT,
    path="gemma-4-26B_q4_0-it.gguf",
    size_bytes=1_000_000_000,
    sha256=DIGEST,
    present_bytes=0,
    source="download",
    where=None,
)
BEGUN = replace(MODEL, present_bytes=250_000_000)
PROJECTOR = replace(
    MODEL,
    role=FileRole.PROJECTOR,
    path="gemma-4-26B-it-mmproj.gguf",
    size_bytes=500_000_000,
    present_bytes=500_000_000,
    source="cache",
    where=Path("/cache/blobs/abab"),
)
PLAN = PullPlan(
    name="gemma4:26b",
    repository=REPOSITORY,
    commit=COMMIT,
    requested_revision=None,
    quantization="Q4_0",
    files=(BEGUN, PROJECTOR),
    free_bytes=20_000_000_000,
    cache_directory=Path("/cache"),
    notes=("size unconfirmed",),
)
