"""Logit bias, repetition penalties and DRY, applied before top-k to the few tokens that they affect."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from g4run.engine.parameters import SamplingParameters
from g4run.engine.sampling.top_k import FloatArray, IndexArray

_DRY_BREAKERS = (b"\n", b":", b'"', b"*")  # llama.cpp, common.h:261: a repeated sequence does not extend across them
_LARGEST_EXPONENT = 88.7228391  # natural log of the largest float32 (llama-sampler.cpp:3528)


class Penalties:
    """The logit bias and penalties of one request, in llama.cpp's order: bias, penalties, DRY."""

    def __init__(self, sampling: SamplingParameters, piece_of: Callable[[int], bytes], prompt: Sequence[int]) -> None:
        self._tokens = np.array([token for token, _ in sampling.logit_bias], np.intp)
        self._biases = np.array([bias for _, bias in sampling.logit_bias], np.float32)
        self._recent = _RecentTokens(sampling) if _has_penalties(sampling) else None
        self._dry = _Dry(sampling, piece_of) if sampling.dry_multiplier > 0 and sampling.dry_last_n != 0 else None
        self.is_needed = bool(sampling.logit_bias) or self._recent is not None or self._dry is not None
        if self._recent is not None or self._dry is not None:
            for token in prompt:
                self.accept(token)

    def accept(self, token: int) -> None:
        """Record a token of the prompt or the answer."""
        if self._recent is not None:
            self._recent.accept(token)
        if self._dry is not None:
            self._dry.accept(token)

    @contextmanager
    def applied(self, logits: FloatArray) -> Iterator[None]:
        """Change the row in place and restore it on exit, so that log-probabilities are the model's own."""
        recent, counts = self._recent.counted() if self._recent is not None else (_NONE, _NONE)
        repeating, lengths = self._dry.repetitions() if self._dry is not None else (_NONE, _NONE)
        touched = np.concatenate((self._tokens, recent, repeating))
        kept = logits[touched]
        np.add.at(logits, self._tokens, self._biases)
        if self._recent is not None:
            self._recent.penalize(logits, recent, counts)
        if self._dry is not None:
            logits[repeating] -= self._dry.penalties(lengths)
        try:
            yield
        finally:
            logits[touched] = kept


_NONE: IndexArray = np.zeros(0, np.intp)


def _has_penalties(sampling: SamplingParameters) -> bool:
    strengths = (sampling.repeat_penalty - 1, sampling.presence_penalty, sampling.frequency_penalty)
    return sampling.repeat_last_n != 0 and any(strengths)


class _RecentTokens:
    """Counts each token among the last `repeat_last_n`."""

    def __init__(self, sampling: SamplingParameters) -> None:
        self._repeat = np.float32(sampling.repeat_penalty)
        self._frequency = np.float32(sampling.frequency_penalty)
        self._presence = np.float32(sampling.presence_penalty)
        self._last: deque[int] = deque()
        self._limit = sampling.repeat_last_n
        self._counts: Counter[int] = Counter()

    def accept(self, token: int) -> None:
        self._counts[token] += 1
        if self._limit < 0:
            return
        self._last.append(token)
        if len(self._last) > self._limit:
            oldest = self._last.popleft()
            self._counts[oldest] -= 1
            if not self._counts[oldest]:
                del self._counts[oldest]

    def counted(self) -> tuple[IndexArray, IndexArray]:
        """Return the distinct recent tokens and the count of each."""
        length = len(self._counts)
        tokens = np.fromiter(self._counts.keys(), np.intp, length)
        return tokens, np.fromiter(self._counts.values(), np.intp, length)

    def penalize(self, logits: FloatArray, tokens: IndexArray, counts: IndexArray) -> None:
        """Apply the penalties in float32, as llama_sampler_penalties_apply does (llama-sampler.cpp:2950)."""
        values = logits[tokens]
        values = np.where(values <= 0, values * self._repeat, values / self._repeat)
        logits[tokens] = values - (counts.astype(np.float32) * self._frequency + self._presence)


class _Dry:
    """DRY ("don't repeat yourself"): penalizes each token that would extend a repeated sequence, by its length.

    The formula is llama_sampler_dry_apply's (llama-sampler.cpp:3386). The search differs: it takes one numpy operation
    per token of the longest repetition instead of a loop over the whole text.
    """

    def __init__(self, sampling: SamplingParameters, piece_of: Callable[[int], bytes]) -> None:
        self._multiplier = sampling.dry_multiplier
        self._base = float(np.float32(sampling.dry_base))
        self._shortest = sampling.dry_allowed_length
        self._window = sampling.dry_last_n
        self._piece_of = piece_of
        self._history = np.zeros(1024, np.int32)
        self._breaks = np.zeros(1024, np.bool_)
        self._length = 0
        self._since_break = 0
        self._largest_exponent = int(_LARGEST_EXPONENT / np.log(self._base)) if self._base > 1.000001 else 0

    def accept(self, token: int) -> None:
        if self._length == self._history.shape[0]:
            self._history = np.concatenate((self._history, np.zeros_like(self._history)))
            self._breaks = np.concatenate((self._breaks, np.zeros_like(self._breaks)))
        piece = self._piece_of(token)
        breaks = any(breaker in piece for breaker in _DRY_BREAKERS)
        self._history[self._length] = token
        self._breaks[self._length] = breaks
        self._length += 1
        self._since_break = 0 if breaks else self._since_break + 1

    def repetitions(self) -> tuple[IndexArray, IndexArray]:
        """Return the tokens that would extend a repeated sequence, and the longest such length for each."""
        start = 0 if self._window < 0 else max(0, self._length - self._window)
        history = self._history[start : self._length]
        if min(history.shape[0] - 1, self._since_break) < self._shortest:
            return _NONE, _NONE
        longest_useful = self._shortest + self._largest_exponent if self._largest_exponent else self._length
        lengths = _suffix_lengths(history, min(self._since_break, longest_useful))
        follows = np.flatnonzero((lengths >= self._shortest) & ~self._breaks[start + 1 : self._length])
        follows = follows[np.argsort(lengths[follows], kind="stable")]
        longest = dict(zip(history[follows + 1].tolist(), lengths[follows].tolist(), strict=True))
        return np.array(list(longest.keys()), np.intp), np.array(list(longest.values()), np.intp)

    def penalties(self, lengths: IndexArray) -> FloatArray:
        """Return the penalties for tokens that extend repeated sequences of these lengths."""
        exponents = lengths - self._shortest
        if self._largest_exponent:
            exponents = np.minimum(exponents, self._largest_exponent)
        with np.errstate(over="ignore"):  # float32 overflows to infinity, which forbids the token
            return (self._multiplier * np.power(self._base, exponents)).astype(np.float32)


def _suffix_lengths(history: npt.NDArray[np.int32], longest: int) -> IndexArray:
    """For each position but the last, return how many tokens up to it match the history's end, at most `longest`."""
    lengths = np.zeros(history.shape[0] - 1, np.intp)
    ends = np.flatnonzero(history[:-1] == history[-1])
    for length in range(1, longest + 1):
        if not ends.size:
            break
        lengths[ends] = length
        ends = ends[ends >= length]
        ends = ends[history[ends - length] == history[-1 - length]]
    return lengths
