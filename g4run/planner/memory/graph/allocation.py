"""Give a scheduled graph its memory, as ggml's allocator does (ggml-alloc.c), and return how much each device needs.

The allocator takes the smallest hole that is large enough, and lets some operations overwrite their operand. Holes that
are too small stay empty, so the result is more than the largest sum of tensors that are needed at the same time.
"""

from collections.abc import Sequence

from g4run.planner.memory.graph.tensors import Tensor

_IN_PLACE = frozenset({"SCALE", "ADD", "MUL", "DIV", "UNARY", "ROPE", "RMS_NORM", "SOFT_MAX"})  # ggml_op_can_inplace
_ENDLESS = 1 << 62


class _Memory:
    """The holes of one device, as offsets and sizes; the last one is endless."""

    def __init__(self, alignment: int) -> None:
        self._alignment = alignment
        self._holes = [[0, _ENDLESS]]
        self.size_bytes = 0

    def allocate(self, size_bytes: int) -> int:
        size = self._padded(size_bytes)
        best = -1
        for index, (_, room) in enumerate(self._holes[:-1]):
            if room >= size and (best < 0 or room <= self._holes[best][1]):
                best = index
        hole = self._holes[best]
        offset = hole[0]
        hole[0] += size
        hole[1] -= size
        if not hole[1]:
            del self._holes[best]
        self.size_bytes = max(self.size_bytes, offset + size)
        return offset

    def free(self, offset: int, size_bytes: int) -> None:
        size = self._padded(size_bytes)
        index = next(index for index, hole in enumerate(self._holes) if hole[0] >= offset)
        self._holes.insert(index, [offset, size])
        for first in (index, index - 1):  # merge with the next hole, then with the previous one
            if first >= 0 and sum(self._holes[first]) == self._holes[first + 1][0]:
                self._holes[first][1] += self._holes.pop(first + 1)[1]

    def _padded(self, size_bytes: int) -> int:
        return -(-size_bytes // self._alignment) * self._alignment


def allocate(order: Sequence[Tensor], leafs: Sequence[Tensor], alignments: Sequence[int]) -> tuple[int, ...]:
    """Return the bytes that each device needs."""
    memories = [_Memory(alignment) for alignment in alignments]
    for leaf in leafs:
        _allocate(leaf, leaf.device, memories)
    for node in order:
        if node.view_of is not None and node.operation:
            node.view_of.views += 1
        for source in node.sources:
            source.children += 1
    for node in order:
        for tensor in (*node.sources, node):
            _allocate(tensor, node.device, memories)
        for source in node.sources:
            _release(source, memories)
    return tuple(memory.size_bytes for memory in memories)


def _allocate(tensor: Tensor, device: int, memories: Sequence[_Memory]) -> None:
    if tensor.is_owned or tensor.place is not None or tensor.view_of is not None:
        return
    tensor.is_owned, tensor.device = True, device
    if tensor.operation in _IN_PLACE:
        for source in tensor.sources:
            if _can_overwrite(source, tensor):
                tensor.offset, tensor.device, source.is_owned = source.offset, source.device, False
                return
    tensor.offset = memories[device].allocate(tensor.size_bytes)


def _can_overwrite(source: Tensor, tensor: Tensor) -> bool:
    """Whether nobody else needs a source. Views do not count as the graph's own memory (ggml_gallocr_is_own)."""
    is_last = source.is_owned and source.children == 1 and source.views == 0
    return is_last and not source.is_output and source.size_bytes == tensor.size_bytes


def _release(source: Tensor, memories: Sequence[_Memory]) -> None:
    source.children -= 1
    if source.children or source.views:
        return
    if source.view_of is not None:
        source.view_of.views -= 1
    owner = source.root
    if owner.is_owned and not owner.is_output and not owner.children and not owner.views:
        memories[owner.device].free(owner.offset, owner.size_bytes)
        owner.is_owned = False
