"""The engine's parameters: how to load a model and how to sample from it."""

import math
from dataclasses import dataclass

from g4run.engine.limits import MAX_COUNT
from g4run.kv_types import KvType

MAX_LOGPROBS = 20  # the limit of OpenAI's API
MAX_BIAS = 1e6  # logits are at most 30; the sum must stay finite in float32

SAMPLING_RANGES = {  # outside these, llama.cpp fails an assertion, overflows, or treats the filter as off
    "temperature": (0, 1e9),
    "top_k": (0, MAX_COUNT),
    "top_p": (0, 1),
    "min_p": (0, 1),
    "seed": (0, 2**63 - 1),
    "repeat_penalty": (1e-3, 1e3),  # logits are divided by it
    "repeat_last_n": (-1, MAX_COUNT),
    "presence_penalty": (-1e3, 1e3),
    "frequency_penalty": (-1e3, 1e3),
    "typical_p": (0, 1),
    "dry_multiplier": (0, 1e3),
    "dry_base": (1, 1e3),  # below 1, DRY is off (llama-sampler.cpp:3369)
    "dry_allowed_length": (1, MAX_COUNT),
    "dry_last_n": (-1, MAX_COUNT),
    "xtc_probability": (0, 1),
    "xtc_threshold": (0, 1),
}


@dataclass(frozen=True, slots=True)
class LoadParameters:
    """How llama.cpp loads one model and its context.

    Lengths are in tokens. All sequences share `context_length` (unified cache). `micro_batch` bounds the tokens of one
    decode call, and so how long a cancelled request keeps running. `gpu_layers` counts from the last layer, the output
    head included; -1 offloads all that the installed build can, 0 uses no GPU. `gpu_split` holds the GPUs' shares of
    the layers, in any unit; empty leaves the split to llama.cpp. `model_path` is os.fsencode's result, as a file name
    need not be UTF-8.

    `checkpoint_bytes` bounds the SWA checkpoints, `ram_cache_bytes` the host cache; both use host memory and allocate
    it on demand. `queue_length` bounds the waiting requests. `drafter_path` is a `gemma4-assistant` file for
    speculation.
    """

    model_path: bytes
    context_length: int
    threads: int
    sequences: int = 1
    micro_batch: int = 512
    gpu_layers: int = -1
    kv_type: KvType = KvType.F16
    cpu_expert_layers: int = 0  # number of first layers whose experts stay on the CPU
    lazy_table: bool = False  # read the per-layer embedding table from the file, row by row
    repack: bool = True  # reorder the CPU's weights for faster multiplication
    amx: bool = True  # use AMX if the build and the processor support it
    gpu_split: tuple[float, ...] = ()
    checkpoint_bytes: int = 512 << 20
    ram_cache_bytes: int = 1 << 30
    queue_length: int = 256
    drafter_path: bytes | None = None
    rpc_servers: tuple[str, ...] = ()  # HOST:PORT, whose devices come before the machine's own


@dataclass(frozen=True, slots=True)
class SamplingParameters:
    """How to draw the next token; the defaults are Google's for Gemma 4 (`general.sampling.*` in its GGUF files).

    A `temperature` of 0 takes the most likely token, after bias and penalties, and so does one below 1e-6, by which
    logits cannot be divided. A `top_k` of 0, a `top_p`, `typical_p` or `repeat_penalty` of 1, and 0 for parameters with
    a default of 0 turn a filter or a penalty off. Penalties apply to the last `repeat_last_n` tokens, prompt included,
    and DRY to the last `dry_last_n`; -1 is all of them. `logit_bias` is added to the logits of single tokens; -inf
    forbids a token.
    """

    temperature: float = 1.0
    top_k: int = 64
    top_p: float = 0.95
    min_p: float = 0.0
    seed: int = 0
    repeat_penalty: float = 1.0
    repeat_last_n: int = 64
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    typical_p: float = 1.0
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    dry_last_n: int = -1
    xtc_probability: float = 0.0
    xtc_threshold: float = 0.1
    logit_bias: tuple[tuple[int, float], ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError for values that llama.cpp cannot use."""
        for name, (lowest, highest) in SAMPLING_RANGES.items():
            value = getattr(self, name)
            if not lowest <= value <= highest:  # NaN is in no range
                raise ValueError(f"{name} must be between {lowest:g} and {highest:g}, not {value:g}")
        for token, bias in self.logit_bias:
            if token < 0 or math.isnan(bias) or bias > MAX_BIAS:
                raise ValueError(f"logit_bias must be a number up to {MAX_BIAS:g} for a token, not {token}: {bias}")


@dataclass(frozen=True, slots=True)
class ThoughtTokens:
    """The token ids that open a thought, `<|channel>`, and those that force its end.

    The last closing token, `<channel|>`, also marks that the model has ended a thought itself. `opens_in_prompt` means
    that the prompt ends inside a thought.
    """

    opening: int
    closing: tuple[int, ...]
    opens_in_prompt: bool = False


@dataclass(frozen=True, slots=True)
class GenerationParameters:
    """One request: how many tokens at most (None: until the context is full), sampling, and logprobs.

    `logprobs` is None for none, else how many alternatives to report beside each token (0 to 20). `grammar` is a Lark
    grammar for llguidance with the rule `start`; it begins after the thought, or at once where `thought` is None or
    nothing opens one. `thinking_budget` is the maximum number of tokens in a thought after its opening token; then it
    is closed. `deadline_seconds` counts from submission. `speculates` allows drafting; it changes the speed, not the
    output.
    """

    max_tokens: int | None = None
    sampling: SamplingParameters = SamplingParameters()
    logprobs: int | None = None
    grammar: str | None = None
    thought: ThoughtTokens | None = None
    thinking_budget: int | None = None
    deadline_seconds: float | None = None
    speculates: bool = True

    def __post_init__(self) -> None:
        """Raise ValueError for values that make no sense."""
        if self.max_tokens is not None and self.max_tokens < 1:
            raise ValueError(f"max_tokens must be 1 or more, not {self.max_tokens}")
        if self.logprobs is not None and not 0 <= self.logprobs <= MAX_LOGPROBS:
            raise ValueError(f"logprobs must be between 0 and {MAX_LOGPROBS}, not {self.logprobs}")
        if self.thinking_budget is not None and self.thinking_budget < 0:
            raise ValueError(f"thinking_budget must be 0 or more, not {self.thinking_budget}")
        if self.thinking_budget is not None and self.thought is None:
            raise ValueError("thinking_budget requires the tokens of a thought")
        if self.deadline_seconds is not None and not 0 < self.deadline_seconds < math.inf:
            raise ValueError(f"deadline_seconds must be above 0 and finite, not {self.deadline_seconds}")
