"""Find the candidates for a recommendation: each size and quantization of the catalog, with the plan to load it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from msgspec.structs import replace

from g4run.hardware.machine import Machine
from g4run.kv_types import KvType
from g4run.models.catalog.catalog import Catalog
from g4run.models.catalog.values import CatalogFile, SizeFacts
from g4run.planner.memory.catalog_weights import loaded_shape, shape_of_catalog
from g4run.planner.memory.layer_split import usable_gpus
from g4run.planner.placement import plan_model
from g4run.planner.recommend.goals import Attempt, Goal, RecommendRequest, usefulness
from g4run.planner.recommend.quality import (
    QualityEstimate,
    estimate_quality,
    find_references,
    is_acceptable,
)
from g4run.planner.speed.measured import MeasuredSpeed
from g4run.planner.speed.speed import estimate_speed
from g4run.planner.values import DEFAULT_CONTEXT, Placement, Plan, PlanRequest, Speed

INFERRED_STEPS = 1.0  # about a size: what a file must be better by if nobody has seen its name on the Hub

# What layers on the CPU cost beside their speed if there is a GPU: that is less certain, and the CPU has other work.
_CPU_STEPS = 0.3


class Verdict(StrEnum):
    """The outcome for a candidate, in a word or two."""

    BEST = "best"
    EQUAL = "no better"
    SLOWER = "slower"
    WORSE = "worse"
    TOO_SLOW = "too slow"
    NO_ROOM = "no room"
    AFTER_FREEING = "not now"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file with its best plan; `reason` says why it was chosen or not, `freeing` which memory must be freed first.

    `worth` is its quality in steps, less if its name is inferred; `usefulness` is that minus what its speed costs, and
    what it needs of the CPU beside a GPU.
    """

    file: CatalogFile
    plan: Plan
    speed: Speed
    quality: QualityEstimate
    worth: float
    usefulness: float
    fits: bool
    verdict: Verdict = Verdict.EQUAL
    reason: str = ""
    freeing: str = ""

    @property
    def command(self) -> str:
        """The command that starts a chat with it."""
        context, kv_type = self.plan.settings.context, self.plan.settings.kv_type
        options = "" if context == DEFAULT_CONTEXT else f" --ctx {context}"
        return f"g4run chat {self.file.name}{options}" + ("" if kv_type is KvType.F16 else f" --kv {kv_type}")

    @property
    def spare_share(self) -> float:
        """The share of its devices' free memory that it leaves beyond the margins; of the GPUs if it uses any."""
        devices = self.plan.ledger.devices
        used = [device for device in devices if device.kind == "gpu"] or devices
        return min((device.left_bytes - device.margin_bytes) / max(1, device.free_bytes) for device in used)

    def used_bytes(self, kind: str) -> int:
        """Return the memory used on all devices of a kind, cpu or gpu."""
        return sum(device.total_bytes for device in self.plan.ledger.devices if device.kind == kind)

    def free_bytes(self, kind: str) -> int:
        """Return the memory of all devices of a kind that was free before loading; unused GPUs do not count."""
        return sum(device.free_bytes for device in self.plan.ledger.devices if device.kind == kind)


@dataclass(frozen=True, slots=True)
class Question:
    """The question for every file: machine, request, context, and KV cache type.

    Files that cannot exceed `min_usefulness` at any speed are left out. `digests` complements the catalog's, by
    repository and path in lower case (`known_digests`).
    """

    machine: Machine
    request: RecommendRequest
    attempt: Attempt
    measured: tuple[MeasuredSpeed, ...] = ()
    digests: Mapping[tuple[str, str], str] = field(default_factory=dict)
    min_usefulness: float = -math.inf


def find_candidates(catalog: Catalog, question: Question) -> tuple[Candidate, ...]:
    """Return a planned candidate for each suitable file, whether it fits or not, in catalog order."""
    references, request = find_references(catalog.files), question.request
    benchmarks = (catalog.benchmarks[request.goal], catalog.benchmarks[Goal.CHAT])
    return tuple(
        candidate
        for facts in _sizes(catalog, question)
        for file in choose_files(catalog.available(facts.size))
        if request.modality is None or file.projector is not None
        for quality in [estimate_quality(file, question.attempt.kv_type, references, benchmarks)]
        for candidate in _plan(file, facts, question, quality)
    )


def choose_files(files: Sequence[CatalogFile]) -> tuple[CatalogFile, ...]:
    """Choose one file per quantization above Q2_K: trained for it, then confirmed, then the first in the catalog."""
    chosen: dict[str, CatalogFile] = {}
    for file in sorted(files, key=lambda file: (not file.is_qat, not file.path_is_confirmed)):
        if is_acceptable(file.quantization):
            chosen.setdefault(file.quantization, file)
    return tuple(chosen.values())


def _sizes(catalog: Catalog, question: Question) -> Iterator[SizeFacts]:
    """Yield the sizes with the requested modality and context."""
    request = question.request
    for facts in catalog.sizes:
        is_wanted = request.size in (None, facts.size) and request.modality in (None, *facts.modalities)
        if is_wanted and question.attempt.context <= facts.context_length:
            yield facts


def _plan(file: CatalogFile, facts: SizeFacts, question: Question, quality: QualityEstimate) -> Iterator[Candidate]:
    """Yield a file with its plan, unless it cannot be useful enough."""
    attempt, request = question.attempt, question.request
    if quality.steps <= question.min_usefulness:
        return
    shape = shape_of_catalog(file, facts) if request.modality else loaded_shape(file, facts)
    digest = question.digests.get((file.repository.lower(), file.path.lower()), shape.digest)
    wanted = PlanRequest(context=attempt.context, kv_type=attempt.kv_type)
    plan = plan_model(replace(shape, digest=digest), question.machine, wanted)
    position = attempt.context // 2  # the average of a conversation
    speed = estimate_speed(plan, question.machine, position=position, measured=question.measured)
    worth = quality.steps - (0.0 if file.path_is_confirmed else INFERRED_STEPS)
    on_cpu = plan.placement is not Placement.GPU and bool(usable_gpus(question.machine))
    useful = usefulness(worth, speed, request) - _CPU_STEPS * on_cpu
    yield Candidate(file, plan, speed, quality, worth, useful, plan.ledger.fits)
