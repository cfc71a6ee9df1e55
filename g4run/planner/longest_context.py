"""Find the longest context that fits, for each KV cache type, on first use."""

from collections.abc import Callable, Iterator, Mapping

from g4run.kv_types import KvType
from g4run.planner.memory.kv_cache import CELL_PADDING

KV_TYPES = (KvType.F16, KvType.Q8_0, KvType.Q4_0)  # best first


class LongestContexts(Mapping[KvType, int]):
    """The longest context in tokens by KV cache type, 0 if none fits; each is computed once.

    `fits` tells whether a context fits with a type; every shorter one must fit too. `known` has contexts that fit.
    """

    def __init__(self, fits: Callable[[KvType, int], bool], trained: int, known: Mapping[KvType, int]) -> None:
        self._fits = fits
        self._trained = trained
        self._known = known
        self._found: dict[KvType, int] = {}

    def __getitem__(self, kv_type: KvType) -> int:
        """Return the longest context, searching for it the first time."""
        if kv_type not in self._found:
            self._found[kv_type] = max(self._search(kv_type), self._known.get(kv_type, 0))
        return self._found[kv_type]

    def __iter__(self) -> Iterator[KvType]:
        return iter(KV_TYPES)

    def __len__(self) -> int:
        return len(KV_TYPES)

    def __repr__(self) -> str:
        return f"LongestContexts({dict(self)})"

    def _search(self, kv_type: KvType) -> int:
        steps = range(-(-self._trained // CELL_PADDING), 0, -1)
        found = first_accepted(steps, lambda step: self._fits(kv_type, min(self._trained, step * CELL_PADDING)))
        return min(self._trained, found * CELL_PADDING) if found else 0


def first_accepted(numbers: range, accepts: Callable[[int], bool]) -> int | None:
    """Return the first accepted number, provided that all after it are accepted too; None if there is none."""
    if accepts(numbers[0]):  # check the ends first: often no search is needed
        return numbers[0]
    if not accepts(numbers[-1]):
        return None
    low, high = 1, len(numbers) - 1
    while low < high:
        middle = (low + high) // 2
        if accepts(numbers[middle]):
            high = middle
        else:
            low = middle + 1
    return numbers[low]
