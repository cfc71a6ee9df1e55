"""The rotation of a quantized cache (src/llama-kv-cache.cpp:1450-1490).

Keys are rotated by the largest power of two that divides a head, values by 64; one pair of matrices serves the global
layers, one the sliding ones.
"""

VALUE_ROTATION = 64


def largest_rotation(head_length: int) -> int:
    """Return the side of the matrix that rotates keys."""
    side = VALUE_ROTATION
    while head_length % (2 * side) == 0:
        side *= 2
    return side
