"""How a transfer goes about it, and what it counted."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TransferOptions:
    """Numbers that a test may want smaller; the defaults suit files of 1 to 60 GB."""

    connections: int = 4
    segment_bytes: int = 64 * 2**20  # of one request, at most
    block_bytes: int = 2**20  # written and recorded at once: what a kill loses of each connection
    block_seconds: float = 0.05  # a block of a slower connection is written after this time
    connect_seconds: float = 10.0
    stall_seconds: float = 30.0  # without a byte
    retries: int = 8  # in a row, without a byte from anywhere in between: about 90 seconds
    first_pause_seconds: float = 0.5  # doubled with every failure
    longest_pause_seconds: float = 30.0
    longest_wait_seconds: float = 300.0  # that a server may ask for
    fresh_links: int = 3  # in a row without a byte
    sync_seconds: float = 15.0
    sync_bytes: int = 512 * 2**20  # so that the last sync finds little to do


@dataclass(frozen=True, slots=True)
class Transferred:
    """What a transfer brought: bytes over the wire in this run, and the digest of the whole file."""

    wire_bytes: int
    sha256: str
