"""The tokenizer's metadata: made up with the real special tokens, or copied from a real file."""

import struct
from pathlib import Path

from scripts.shapes.metadata import bool_value, floats_value, int_value, ints_value, text_value, texts_value
from scripts.shapes.sizes import VOCABULARY_SIZE

CONTROL, USER_DEFINED, BYTE = 3, 4, 6  # llama_token_type
SPECIAL_TOKENS = {
    **dict(enumerate(("<pad>", "<eos>", "<bos>", "<unk>", "<mask>"))),
    46: "<|tool>",
    47: "<tool|>",
    48: "<|tool_call>",
    49: "<tool_call|>",
    50: "<|tool_response>",
    51: "<tool_response|>",
    52: '<|"|>',
    98: "<|think|>",
    100: "<|channel>",
    101: "<channel|>",
    105: "<|turn>",
    106: "<turn|>",
    255_999: "<|image>",
    256_000: "<|audio>",
    258_880: "<|image|>",
    258_881: "<|audio|>",
    258_882: "<image|>",
    258_883: "<audio|>",
    258_884: "<|video|>",
}
SHOWN_TOKENS = (48, 49, 50, 51, 52, 100, 101)  # printed even where special tokens are not
FIRST_NEWLINE, FIRST_BYTE, FIRST_TEXT = 107, 238, 494  # ids, as in the real vocabulary


def synthetic_vocabulary(size: int = VOCABULARY_SIZE) -> dict[str, bytes]:
    """The real special tokens and bytes at their real ids, then characters, pairs of letters, and made-up words."""
    letters = "etaoinshrdlcumwfgypbvkjxqz"
    pairs = [(first, second) for first in "▁" + letters for second in letters]
    characters = ["▁", *map(chr, range(33, 127)), *map(chr, range(0xA1, 0x180))]
    words = [*characters, *(first + second for first, second in pairs)]
    tokens = [f"<unused{index}>" for index in range(FIRST_TEXT)] + words
    tokens += [f"▁w{index}" for index in range(len(tokens), size)]
    kinds = [1] * len(tokens)
    for length in range(1, 32):
        tokens[FIRST_NEWLINE + length - 1] = "\n" * length
    for byte in range(256):
        tokens[FIRST_BYTE + byte], kinds[FIRST_BYTE + byte] = f"<0x{byte:02X}>", BYTE
    for index, text in SPECIAL_TOKENS.items():
        if index < len(tokens):
            tokens[index], kinds[index] = text, USER_DEFINED if index in SHOWN_TOKENS else CONTROL
    return {
        "tokenizer.ggml.model": text_value("gemma4"),
        "tokenizer.ggml.tokens": texts_value(tokens),
        "tokenizer.ggml.scores": floats_value([-1000.0] * len(tokens)),
        "tokenizer.ggml.token_type": ints_value(kinds),
        "tokenizer.ggml.merges": texts_value([f"{first} {second}" for first, second in pairs]),
        "tokenizer.ggml.bos_token_id": int_value(2),
        "tokenizer.ggml.eos_token_id": int_value(1),
        "tokenizer.ggml.unknown_token_id": int_value(3),
        "tokenizer.ggml.padding_token_id": int_value(0),
        "tokenizer.ggml.mask_token_id": int_value(4),
        "tokenizer.ggml.add_space_prefix": bool_value(False),
        "tokenizer.ggml.add_bos_token": bool_value(True),
    }


def copied_vocabulary(path: Path) -> dict[str, bytes]:
    """The tokenizer's entries of another GGUF file, byte for byte."""
    data = path.read_bytes() + bytes(16)  # room for the widest look ahead
    _, _, _, count = struct.unpack_from("<4sIQQ", data)
    entries, position = {}, 24
    for _ in range(count):
        start = _after_string(data, position)
        key, position = data[position + 8 : start].decode(), _after_value(data, start)
        if key.startswith("tokenizer."):
            entries[key] = data[start:position]
    return entries


WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # bytes of a scalar, by value type


def _after_string(data: bytes, position: int) -> int:
    return position + 8 + int.from_bytes(data[position : position + 8], "little")


def _after_value(data: bytes, position: int) -> int:
    kind, item, count = struct.unpack_from("<IIQ", data, position)
    if kind == 8:
        return _after_string(data, position + 4)
    if kind != 9:
        return position + 4 + WIDTHS[kind]
    position += 16
    if item != 8:
        return position + WIDTHS[item] * int(count)
    for _ in range(count):
        position = _after_string(data, position)
    return position
