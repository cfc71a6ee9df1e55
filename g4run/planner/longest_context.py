"""The longest context that fits, for each type of the cache: searched for only where somebody asks."""

from collections.abc import Callable, Iterator, Mapping

from g4run.kv_types import KvType
from g4run.planner.memory.kv_cache import CELL_PADDING

KV_TYPES = (KvType.F16, KvType.Q8_0, KvType.Q4_0)  # from the best on


class LongestContexts(Mapping[KvType, int]):
    """Tokens by type, 0 where nothing fits; what was found is kept.

    `fits` says whether a context of a type does; where one does, all shorter ones do. `least` are contexts that are
    known to.
    """

    def __init__(self, fits: Callable[[KvType, int], bool], trained: int, least: Mapping[KvType, int]) -> None:
        self._fits = fits
        self._trained = trained
        self._least = least
        self._found: dict[KvType, int] = {}

    def __getitem__(self, kv_type: KvType) -> int:
        """Search, the first time."""
        if kv_type not in self._found:
            self._found[kv_type] = max(self._search(kv_type), self._least.get(kv_type, 0))
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
    """The first number that is accepted, where all that follow it are as well; None where none is."""
    if accepts(numbers[0]):  # the ends first: often there is nothing to search
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
