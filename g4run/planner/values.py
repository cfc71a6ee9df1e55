"""The planner's values: model weights, load settings, memory ledgers, and speeds."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from g4run.kv_types import KvType
from g4run.models.gguf.dimensions import Gemma4

DEFAULT_CONTEXT = 8192  # tokens; 60 MiB of KV cache for E2B, 1.8 GiB for 31B
MICRO_BATCH = 512  # tokens computed at once


class LayerWeights(msgspec.Struct, frozen=True):
    """The size of one layer's tensors; `expert_bytes` is of all experts together, 0 in a dense model."""

    dense_bytes: int
    expert_bytes: int
    largest_bytes: int = 0  # largest tensor; if it is on the CPU, a GPU copies it for long batches


class ModelShape(msgspec.Struct, frozen=True):
    """A model's weights by where llama.cpp puts them; `is_exact` if they come from a header."""

    name: str
    architecture: Gemma4
    layers: tuple[LayerWeights, ...]
    embedding_bytes: int  # token_embd, always on the CPU; a GPU holds a second copy as the tied head
    table_bytes: int  # per_layer_token_embd, always on the CPU; 0 without one
    output_bytes: int  # tensors after the last layer, without a tied head
    file_bytes: int
    projector_bytes: int
    drafter_bytes: int
    is_exact: bool
    digest: str = ""  # sha256 of the file, if known
    weight_type: str = ""  # GGUF type of most of the layers' bytes: "Q4_K"
    head_type: str = ""  # type of the head, which may be the embedding table
    has_tied_head: bool = True  # token_embd is also the head

    @property
    def head_bytes(self) -> int:
        """What follows the last layer on its device; a tied head copies the embeddings to a GPU (gemma4.cpp:53-55)."""
        return self.output_bytes + (self.embedding_bytes if self.has_tied_head else 0)


class Placement(StrEnum):
    """Where the layers go."""

    GPU = "gpu"
    PARTIAL = "partial"
    EXPERTS_ON_CPU = "experts_on_cpu"
    CPU = "cpu"


class PlanSettings(msgspec.Struct, frozen=True):
    """The settings to load a model with; lengths in tokens."""

    gpu_layers: int  # counted from the last, including the head: layers + 1 is all
    cpu_expert_layers: int  # number of first layers that keep their experts on the CPU
    kv_type: KvType
    context: int
    batch: int
    micro_batch: int
    sequences: int
    threads: int
    lazy_table: bool  # read the per-layer embedding table from the file by row
    repack: bool  # repack CPU weights into a layout that multiplies faster


class DeviceLedger(msgspec.Struct, frozen=True):
    """The memory on one device, item by item."""

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
    gpu: int | None = None  # index among the GPUs that llama.cpp uses; None for main memory
    margin_bytes: int = 0  # of the free memory, what should stay free (memory/margins.py)

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
    def left_bytes(self) -> int:
        """What stays free; negative if it does not fit."""
        return self.free_bytes - self.total_bytes

    @property
    def fits(self) -> bool:
        """Whether the device has room for its part now, and for the margin."""
        return self.left_bytes >= self.margin_bytes


class Ledger(msgspec.Struct, frozen=True):
    """The memory on all devices."""

    devices: tuple[DeviceLedger, ...]

    @property
    def total_bytes(self) -> int:
        """All devices together."""
        return sum(device.total_bytes for device in self.devices)

    @property
    def fits(self) -> bool:
        """Whether every device has room for its part now, and for its margin."""
        return all(device.fits for device in self.devices)

    @property
    def can_load(self) -> bool:
        """Whether every device has room for its part now, if perhaps less than its margin to spare."""
        return all(device.left_bytes >= 0 for device in self.devices)


class Plan(msgspec.Struct, frozen=True):
    """One way to load one model on one machine; `max_context` is the longest that fits this placement, by KV type.

    `max_context` is computed on first use (`planner.longest_context`).
    """

    shape: ModelShape
    placement: Placement
    settings: PlanSettings
    ledger: Ledger
    max_context: Mapping[KvType, int]


class PlanRequest(msgspec.Struct, frozen=True):
    """The requested settings; None leaves one to the planner. `may_repack` is false without memory for copies."""

    context: int | None = None
    kv_type: KvType | None = None
    sequences: int = 1
    micro_batch: int | None = None
    gpu_layers: int | None = None
    cpu_expert_layers: int | None = None
    may_repack: bool = True


class Fit(StrEnum):
    """Whether a model fits now, only without the margin or after other programs free memory, or not at all."""

    YES = "yes"
    TIGHT = "tight"
    NO = "no"


class SpeedSource(StrEnum):
    """The source of a speed."""

    MEASURED = "measured here"
    CALIBRATED = "calibrated"  # with measured speeds of such devices
    ESTIMATED = "estimated"


class SpeedRange(msgspec.Struct, frozen=True):
    """The expected tokens per second, and their likely range."""

    low: float
    expected: float
    high: float


class Speed(msgspec.Struct, frozen=True):
    """The speed at which a plan generates tokens and processes a prompt."""

    generation: SpeedRange
    prompt: SpeedRange
    source: SpeedSource
