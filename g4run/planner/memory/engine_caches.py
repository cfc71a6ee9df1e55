"""What the engine takes with use, beside a plan: SWA checkpoints, host cache, and the token table of grammars.

A plan must fit without them. The first two are bounded by the main memory that it leaves free.
"""

import msgspec

from g4run.models.gguf.dimensions import Gemma4
from g4run.planner.values import Ledger

SHARE = 4  # each gets a quarter of the free memory beyond the margin, so half of it stays free
MAX_CHECKPOINT_BYTES = 512 << 20
MAX_RAM_CACHE_BYTES = 1 << 30
_TOKEN_BYTES = 300  # measured with llguidance 1.9.1: 78 MB of resident memory for 262,144 tokens


class CacheBounds(msgspec.Struct, frozen=True):
    """The maximum size of each cache in main memory."""

    checkpoint_bytes: int  # SWA checkpoints, to continue from where a conversation changed
    ram_cache_bytes: int  # host cache of whole conversations


def bound_caches(ledger: Ledger) -> CacheBounds:
    """Return the bounds next to a plan; 0 if it leaves no memory."""
    host = ledger.devices[-1]
    share = max(0, host.left_bytes - host.margin_bytes) // SHARE
    return CacheBounds(min(MAX_CHECKPOINT_BYTES, share), min(MAX_RAM_CACHE_BYTES, share))


def token_table_bytes(architecture: Gemma4) -> int:
    """Return what constrained decoding adds to main memory, from the first constrained answer on."""
    return architecture.vocabulary_size * _TOKEN_BYTES
