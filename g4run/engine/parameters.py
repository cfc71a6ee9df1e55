"""What the engine is told: how to load a model, and how to sample from it."""

import math
from dataclasses import dataclass
from enum import StrEnum

MAX_LOGPROBS = 20  # what OpenAI's API allows


class KvType(StrEnum):
    """Number format of the key-value cache, by llama.cpp's names."""

    F16 = "f16"
    Q8_0 = "q8_0"
    Q4_0 = "q4_0"


@dataclass(frozen=True, slots=True)
class LoadParameters:
    """One model and its context, as llama.cpp is to load them.

    Lengths are in tokens. `context_length` is shared by all sequences (unified cache). `micro_batch` bounds the tokens
    of one decode call, and with it how long a cancelled request can go on. `gpu_layers` counts from the last, the head
    included; -1 offloads whatever the installed build can, 0 leaves the GPUs alone. `gpu_split` are the GPUs' shares of
    the layers, in any unit; empty leaves them to llama.cpp. `model_path` is as os.fsencode gives it: a file's name need
    not be UTF-8.
    """

    model_path: bytes
    context_length: int
    threads: int
    sequences: int = 1
    micro_batch: int = 512
    gpu_layers: int = -1
    kv_type: KvType = KvType.F16
    cpu_expert_layers: int = 0  # the first so many layers keep their experts on the CPU
    lazy_table: bool = False  # the per-layer embedding table is read from the file, row by row
    repack: bool = True  # the CPU keeps its weights in an order that it multiplies faster
    gpu_split: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class SamplingParameters:
    """How the next token is drawn; the defaults are Google's for Gemma 4 (`general.sampling.*` in its GGUF files).

    A `temperature` of 0 takes the most likely token. `top_k` of 0, `top_p` of 1 and `min_p` of 0 switch a filter off.
    """

    temperature: float = 1.0
    top_k: int = 64
    top_p: float = 0.95
    min_p: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse with ValueError what llama.cpp would draw nonsense from, or assert on: NaN, infinity, below zero."""
        numbers = (self.temperature, self.top_k, self.top_p, self.min_p, self.seed)
        if not all(math.isfinite(number) and number >= 0 for number in numbers):
            raise ValueError(f"sampling parameters must be finite and not negative: {self}")


@dataclass(frozen=True, slots=True)
class GenerationParameters:
    """One request: how many tokens at most (None: until the context is full), sampling, and logprobs.

    `logprobs` is None for none, else how many alternatives to report beside each token (0 to 20).
    """

    max_tokens: int | None = None
    sampling: SamplingParameters = SamplingParameters()
    logprobs: int | None = None

    def __post_init__(self) -> None:
        """Refuse with ValueError what no request can mean."""
        if self.max_tokens is not None and self.max_tokens < 1:
            raise ValueError(f"max_tokens must be 1 or more, not {self.max_tokens}")
        if self.logprobs is not None and not 0 <= self.logprobs <= MAX_LOGPROBS:
            raise ValueError(f"logprobs must be between 0 and {MAX_LOGPROBS}, not {self.logprobs}")
