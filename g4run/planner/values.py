"""The planner's values: what a model weighs, how it is to be loaded, what that takes, and how fast it will be."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from g4run.kv_types import KvType
from g4run.models.gguf.dimensions import Gemma4

DEFAULT_CONTEXT = 8192  # tokens; 60 MiB of KV cache for E2B, 1.8 GiB for 31B
MICRO_BATCH = 512  # tokens computed at once


@dataclass(frozen=True, slots=True)
class LayerWeights:
    """What one layer's tensors take, in bytes; `expert_bytes` of all experts together, 0 in a dense model."""

    dense_bytes: int
    expert_bytes: int
    largest_bytes: int = 0  # of one tensor: a GPU takes a copy of it for long batches where it lies on the CPU


@dataclass(frozen=True, slots=True)
class ModelShape:
    """A model's weights by where llama.cpp puts them, in bytes; `is_exact` where they were read from a header."""

    name: str
    architecture: Gemma4
    layers: tuple[LayerWeights, ...]
    embedding_bytes: int  # token_embd, on the CPU always; the tied head is a second copy of it on a GPU
    table_bytes: int  # per_layer_token_embd, on the CPU always; 0 without one
    output_bytes: int  # what follows the last layer, the tied head aside
    file_bytes: int
    projector_bytes: int
    drafter_bytes: int
    is_exact: bool
    digest: str = ""  # sha256 of the file, where known
    weight_type: str = ""  # of most of the layers' bytes, by GGUF's name: "Q4_K"
    head_type: str = ""  # of the head, which may be the embedding table
    has_tied_head: bool = True  # token_embd is the head as well


class Placement(StrEnum):
    """Where the layers go."""

    GPU = "gpu"
    PARTIAL = "partial"
    EXPERTS_ON_CPU = "experts_on_cpu"
    CPU = "cpu"


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """How a model is to be loaded; lengths in tokens."""

    gpu_layers: int  # counted from the last, the head included: layers + 1 is all
    cpu_expert_layers: int  # the first so many layers keep their experts on the CPU
    kv_type: KvType
    context: int
    batch: int
    micro_batch: int
    sequences: int
    threads: int
    lazy_table: bool  # the per-layer embedding table is read from the file by row
    repack: bool  # the CPU keeps its weights in an order that it multiplies faster


@dataclass(frozen=True, slots=True)
class DeviceLedger:
    """What one device holds, item by item, in bytes."""

    name: str
    kind: str  # cpu or gpu
    weights_bytes: int
    kv_bytes: int
    compute_bytes: int
    output_bytes: int
    projector_bytes: int
    drafter_bytes: int
    overhead_bytes: int
    free_bytes: int  # before the model is loaded
    gpu: int | None = None  # its place among the GPUs that llama.cpp uses; None for main memory

    @property
    def total_bytes(self) -> int:
        """All items together."""
        return (
            self.weights_bytes
            + self.kv_bytes
            + self.compute_bytes
            + self.output_bytes
            + self.projector_bytes
            + self.drafter_bytes
            + self.overhead_bytes
        )

    @property
    def fits(self) -> bool:
        """Whether the device has room for its part now."""
        return self.total_bytes <= self.free_bytes


@dataclass(frozen=True, slots=True)
class Ledger:
    """What all devices hold."""

    devices: tuple[DeviceLedger, ...]

    @property
    def total_bytes(self) -> int:
        """All devices together."""
        return sum(device.total_bytes for device in self.devices)

    @property
    def fits(self) -> bool:
        """Whether every device has room for its part now."""
        return all(device.fits for device in self.devices)


@dataclass(frozen=True, slots=True)
class Plan:
    """One way to load one model on one machine; `max_context` is the longest that fits this placement, by KV type.

    It is searched for as it is asked (`planner.longest_context`).
    """

    shape: ModelShape
    placement: Placement
    settings: PlanSettings
    ledger: Ledger
    max_context: Mapping[KvType, int]


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """What a person fixed; None leaves it to the planner. `may_repack` is false where there is no memory to copy in."""

    context: int | None = None
    kv_type: KvType | None = None
    sequences: int = 1
    micro_batch: int | None = None
    gpu_layers: int | None = None
    cpu_expert_layers: int | None = None
    may_repack: bool = True


class Fit(StrEnum):
    """Whether a model fits: in the memory that is free now, only once other programs give some back, or not at all."""

    YES = "yes"
    TIGHT = "tight"
    NO = "no"


class SpeedSource(StrEnum):
    """Where a speed comes from."""

    MEASURED = "measured here"
    CALIBRATED = "calibrated"  # by measured speeds of this kind of device
    ESTIMATED = "estimated"


@dataclass(frozen=True, slots=True)
class SpeedRange:
    """Tokens per second: what is expected, and what it will hardly leave."""

    low: float
    expected: float
    high: float


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a plan generates, and how fast it reads a prompt."""

    generation: SpeedRange
    prompt: SpeedRange
    source: SpeedSource
