"""The number formats that llama.cpp can store the key-value cache in."""

from enum import StrEnum


class KvType(StrEnum):
    """Number format of the key-value cache, by llama.cpp's name for it."""

    F16 = "f16"
    Q8_0 = "q8_0"
    Q4_0 = "q4_0"
