"""What the engine's own caches may take beside a plan: copies of sliding windows, and whole conversations.

Both grow as they are used, so a plan fits without them; they get a part of the main memory that it leaves.
"""

from dataclasses import dataclass

from g4run.planner.values import Ledger

# A quarter of what is left for either; so half of it stays for others.
SHARE = 4
MAX_CHECKPOINT_BYTES = 512 << 20
MAX_RAM_CACHE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class CacheBounds:
    """The most that each cache may take, in bytes of main memory."""

    checkpoint_bytes: int  # of sliding windows, to go back to where a conversation changed
    ram_cache_bytes: int  # of whole conversations


def bound_caches(ledger: Ledger) -> CacheBounds:
    """The bounds beside a plan; 0 where it leaves nothing."""
    host = ledger.devices[-1]
    share = max(0, host.free_bytes - host.total_bytes) // SHARE
    return CacheBounds(min(MAX_CHECKPOINT_BYTES, share), min(MAX_RAM_CACHE_BYTES, share))
