"""Assign a graph's nodes to devices, and copy what crosses between them (ggml_backend_sched_split_graph).

llama.cpp also fixes the norms' devices, but a reservation without memory forgets this (ggml_backend_sched_reserve_size
resets the scheduler), so that a real load of several GPUs takes up to two states less on each but the first.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from g4run.planner.memory.graph.tensors import UNASSIGNED, VIEWS, Graph, Load, Tensor

_OFFLOAD_ROWS = 32  # GGML_OP_OFFLOAD_MIN_BATCH; getting rows is never offloaded


@dataclass(slots=True)
class _Split:
    """Consecutive nodes of one device, and what is copied there first."""

    device: int
    copied: list[tuple[Tensor, Tensor]] = field(default_factory=list)  # originals and copies
    nodes: list[Tensor] = field(default_factory=list)


def schedule(graph: Graph, load: Load) -> tuple[list[Tensor], list[Tensor]]:
    """Return the nodes in order, copies included, and the leafs. Changes the graph's sources to the copies."""
    _assign(graph, load)
    extra: list[Tensor] = []  # leafs
    if load.copies > 1:
        extra += [
            copy for leaf in graph.leafs if leaf.is_input for copy in (leaf, *_copies(leaf, leaf.device, load)[1:])
        ]
        for leaf in graph.leafs:
            leaf.is_output |= leaf.is_input
    order: list[Tensor] = []
    for split in _split(graph, load, extra):
        for original, copy in split.copied:  # the original is needed until then
            order += (Tensor("", original.size_bytes, [original], original.root, device=original.device), copy)
        order += split.nodes
    return order, [*extra, *graph.leafs]


def _copies(tensor: Tensor, device: int, load: Load) -> list[Tensor]:
    """Return the copies for a device; those of a pipeline are kept."""
    kept = load.copies > 1
    return [Tensor("", tensor.size_bytes, is_input=kept, is_output=kept, device=device) for _ in range(load.copies)]


def _assign(graph: Graph, load: Load) -> None:
    """Choose each node's device: that of its weights, else its neighbours', a GPU rather than the CPU."""
    for tensor in (*graph.leafs, *graph.nodes):
        tensor.device = _given_device(tensor, load)
    nodes = [node for node in graph.nodes if node.operation not in VIEWS]
    for also_cpu in (False, True):
        _expand(nodes, load.cpu, also_cpu=also_cpu)
        _expand(reversed(nodes), load.cpu, also_cpu=also_cpu)
    for node in graph.nodes:
        if node.device == UNASSIGNED:
            node.device = node.root.device
        for source in node.sources:
            if source.device == UNASSIGNED:
                source.device = node.device if source.view_of is None else source.view_of.device


def _given_device(tensor: Tensor, load: Load) -> int:
    if tensor.root.place is not None:
        return tensor.root.place
    if tensor.is_input:
        return load.cpu
    if tensor.operation in ("ROPE", "FLASH_ATTN_EXT"):
        return UNASSIGNED
    place = next(
        (source.place for source in tensor.sources if source.is_weight and source.place is not None), UNASSIGNED
    )
    if place == load.cpu and tensor.rows >= _OFFLOAD_ROWS and tensor.operation != "GET_ROWS":
        return load.offloads.index(True) if True in load.offloads else place
    return place


def _expand(nodes: Iterable[Tensor], cpu: int, *, also_cpu: bool) -> None:
    current = UNASSIGNED
    for node in nodes:
        if node.device != UNASSIGNED:
            current = UNASSIGNED if node.device == cpu and not also_cpu else node.device
        elif current != UNASSIGNED:
            node.device = current


def _split(graph: Graph, load: Load, kept: list[Tensor]) -> Sequence[_Split]:
    first = next(node.device for node in graph.nodes if node.operation not in VIEWS)
    splits = [_Split(first)]
    copies: dict[tuple[int, int], Tensor] = {}
    for node in graph.nodes:
        split = splits[-1]
        if node.operation not in VIEWS:
            if node.device != split.device or (split.copied and _brings_weight(node)):
                split = _Split(node.device)
                splits.append(split)
            for index, source in enumerate(node.sources):
                if _home(source) == split.device:
                    continue
                key = id(source), split.device
                if key not in copies:
                    made = _copies(source, split.device, load)
                    kept += made if load.copies > 1 else ()
                    copies[key] = made[0]
                    split.copied.append((source, made[0]))
                node.sources[index] = copies[key]
        split.nodes.append(node)
    return splits


def _brings_weight(node: Tensor) -> bool:
    """Whether a node copies a weight; it then begins a split, so that earlier copies of weights can be freed."""
    return any(source.is_weight and source.place != node.device for source in node.sources)


def _home(tensor: Tensor) -> int:
    """Return the device whose memory holds a tensor."""
    place = tensor.root.place
    return tensor.device if place is None else place
