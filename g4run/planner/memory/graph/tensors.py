"""The tensors of a graph, and the load that a graph is built for."""

from dataclasses import dataclass, field

import msgspec

from g4run.models.gguf.dimensions import Gemma4

VIEWS = frozenset({"RESHAPE", "VIEW", "PERMUTE"})  # they compute nothing (ggml_is_view_op)
UNASSIGNED = -1


class Load(msgspec.Struct, frozen=True):
    """All that a graph's memory depends on. Devices are numbered from 0, the CPU last, as ggml's scheduler does.

    `places` are the devices of the layers and the head. `offloads` says of each GPU whether it computes long batches
    with the CPU's weights, which it copies (op_offload); for those copies, `largest_bytes` is the size of each layer's
    largest tensor, and `down_bytes` of the second one of its experts. `copies` is the number of copies of every input
    in a pipeline of several GPUs.
    """

    architecture: Gemma4
    places: tuple[int, ...]
    cpu_expert_layers: int
    tokens: int
    outputs: int
    context_cells: int
    sliding_cells: int
    block_values: int  # of the KV cache's type
    block_bytes: int
    is_rotated: bool
    offloads: tuple[bool, ...]
    largest_bytes: tuple[int, ...]
    down_bytes: tuple[int, ...]
    copies: int

    @property
    def cpu(self) -> int:
        """The number of the CPU."""
        return len(self.offloads)


@dataclass(eq=False, slots=True)
class Tensor:
    """A tensor. `operation` is ggml's, empty for inputs, weights and caches; `rows` is the size of its batch.

    `place` is the device of what is in memory before, weights and caches.
    """

    operation: str
    size_bytes: int
    sources: "list[Tensor]" = field(default_factory=list)
    view_of: "Tensor | None" = None
    rows: int = 0
    place: int | None = None
    is_weight: bool = False
    is_input: bool = False
    is_output: bool = False
    device: int = UNASSIGNED  # which computes it
    # Of the allocator:
    children: int = 0
    views: int = 0
    is_owned: bool = False
    offset: int = 0

    @property
    def root(self) -> "Tensor":
        """The tensor itself, or the one that a view shows."""
        return self.view_of or self


@dataclass(slots=True)
class Graph:
    """The nodes in order of computation, and the leafs, which nothing computes."""

    nodes: list[Tensor] = field(default_factory=list)
    leafs: list[Tensor] = field(default_factory=list)
    _seen: set[int] = field(default_factory=set)

    def expand(self, tensor: Tensor) -> None:
        """Add a tensor after its sources (ggml_build_forward_expand)."""
        if id(tensor) in self._seen:
            return
        self._seen.add(id(tensor))
        for source in tensor.sources:
            self.expand(source)
        (self.nodes if tensor.operation else self.leafs).append(tensor)
