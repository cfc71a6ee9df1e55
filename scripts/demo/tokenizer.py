"""A small vocabulary of the kind that Gemma 4's GGUF files carry: tokenizer model `gemma4`, spaces as ▁, byte fallback.

llama.cpp merges over whole lines (src/llama-vocab.cpp: pre-tokenizer `gemma4`). The merges learned here never cross the
start of a word, so encoding word by word, as `Tokenizer` does, gives the same tokens; a test compares the two.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

NORMAL, CONTROL, USER_DEFINED, BYTE = 1, 3, 4, 6

# Texts and types of the special tokens in llama.cpp's models/ggml-vocab-gemma-4.gguf; the first five keep their ids.
SPECIAL_TOKENS = {
    "<pad>": CONTROL,
    "<eos>": CONTROL,
    "<bos>": CONTROL,
    "<unk>": CONTROL,
    "<mask>": CONTROL,
    "<|tool>": CONTROL,
    "<tool|>": CONTROL,
    "<|tool_call>": USER_DEFINED,
    "<tool_call|>": USER_DEFINED,
    "<|tool_response>": USER_DEFINED,
    "<tool_response|>": USER_DEFINED,
    '<|"|>': USER_DEFINED,
    "<|think|>": CONTROL,
    "<|channel>": USER_DEFINED,
    "<channel|>": USER_DEFINED,
    "<|turn>": CONTROL,
    "<turn|>": CONTROL,
    "<|image>": CONTROL,
    "<|audio>": CONTROL,
    "<|image|>": CONTROL,
    "<|audio|>": CONTROL,
    "<image|>": CONTROL,
    "<audio|>": CONTROL,
    "<|video|>": CONTROL,
}
SPACE = "▁"
NEWLINES = ("\n", "\n\n", "\n\n\n")
CHARACTERS = (*(chr(code) for code in range(33, 127)), SPACE, *"äöüßéè°–’…€")
WORD = re.compile(rf"\n+|{SPACE}?[A-Za-zäöüßéè]+|[0-9]|{SPACE}?[^\w\s{SPACE}]|.", re.DOTALL)
SPECIAL = re.compile("(" + "|".join(re.escape(text) for text in sorted(SPECIAL_TOKENS, key=len, reverse=True)) + ")")


def split_words(text: str) -> Iterator[str]:
    """Yield the units of a text that merges stay within; spaces are ▁."""
    return (match.group() for match in WORD.finditer(text.replace(" ", SPACE)))


def learn_merges(texts: Iterable[str], count: int) -> tuple[tuple[str, str], ...]:
    """Learn byte-pair merges: the most frequent pair first, ties in alphabetical order."""
    known = set(CHARACTERS)
    frequencies = Counter(word for text in texts for word in split_words(text) if set(word) <= known)
    words = {word: tuple(word) for word in frequencies}
    merges: list[tuple[str, str]] = []
    while len(merges) < count:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, parts in words.items():
            for pair in pairwise(parts):
                pairs[pair] += frequencies[word]
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = {word: merge(parts, best) for word, parts in words.items()}
    return tuple(merges)


def merge(parts: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    """Return the parts with every occurrence of the pair joined, from left to right."""
    if pair[0] not in parts:
        return parts
    joined: list[str] = []
    for part in parts:
        if joined and (joined[-1], part) == pair and not joined[-1].startswith("\0"):
            joined[-1] = "\0" + joined[-1] + part
        else:
            joined.append(part)
    return tuple(part.removeprefix("\0") for part in joined)


@dataclass
class Tokenizer:
    """Text to tokens and back, as llama.cpp does it for the vocabulary that `export.py` writes."""

    merges: tuple[tuple[str, str], ...]
    tokens: list[str] = field(init=False)
    types: list[int] = field(init=False)
    ids: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
        # Two merges may make the same token; it is listed once.
        pieces = list(dict.fromkeys((*NEWLINES, *CHARACTERS, *(left + right for left, right in self.merges))))
        self.tokens = [*SPECIAL_TOKENS, *byte_tokens, *pieces]
        self.types = [*SPECIAL_TOKENS.values(), *[BYTE] * 256, *[NORMAL] * len(pieces)]
        self.ids = {token: number for number, token in enumerate(self.tokens)}
        self._ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        self._words: dict[str, tuple[int, ...]] = {}

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text; special tokens are recognised by their texts."""
        tokens: list[int] = []
        for part in SPECIAL.split(text):
            if part in SPECIAL_TOKENS:
                tokens.append(self.ids[part])
            else:
                for word in split_words(part):
                    tokens.extend(self._encode_word(word))
        return tokens

    def decode(self, tokens: Iterable[int]) -> str:
        """Return the text of tokens, special tokens by their texts."""
        data = b""
        for token in tokens:
            is_byte = self.types[token] == BYTE
            data += bytes([int(self.tokens[token][3:5], 16)]) if is_byte else self.tokens[token].encode()
        return data.decode(errors="replace").replace(SPACE, " ")

    def _encode_word(self, word: str) -> tuple[int, ...]:
        if word not in self._words:
            parts = (word,) if word in NEWLINES else tuple(word)
            while pairs := [pair for pair in pairwise(parts) if pair in self._ranks]:
                parts = merge(parts, min(pairs, key=self._ranks.__getitem__))
            self._words[word] = tuple(token for part in parts for token in self._part_tokens(part))
        return self._words[word]

    def _part_tokens(self, part: str) -> list[int]:
        if part in self.ids:
            return [self.ids[part]]
        return [self.ids[f"<0x{byte:02X}>"] for byte in part.encode()]
