"""Bound the engine's SWA checkpoints and host cache by the main memory that a plan leaves free.

Both grow with use, so a plan must fit without them.
"""

from dataclasses import dataclass

from g4run.planner.values import Ledger

SHARE = 4  # each gets a quarter of the free memory, so half of it stays free
MAX_CHECKPOINT_BYTES = 512 << 20
MAX_RAM_CACHE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class CacheBounds:
    """The maximum size of each cache in main memory."""

    checkpoint_bytes: int  # SWA checkpoints, to continue from where a conversation changed
    ram_cache_bytes: int  # host cache of whole conversations


def bound_caches(ledger: Ledger) -> CacheBounds:
    """Return the bounds next to a plan; 0 if it leaves no memory."""
    host = ledger.devices[-1]
    share = max(0, host.free_bytes - host.total_bytes) // SHARE
    return CacheBounds(min(MAX_CHECKPOINT_BYTES, share), min(MAX_RAM_CACHE_BYTES, share))
