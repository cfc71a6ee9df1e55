import pytest

from tests.models.gguf.hostile_headers import KINDS, peak_bytes

MOST_BYTES = 120_000_000  # of the whole process: 200 MB, less what the rest of the program takes


@pytest.mark.parametrize("kind", KINDS)
def test_a_hostile_header_costs_bounded_memory(kind: str) -> None:
    assert peak_bytes(kind) < MOST_BYTES
