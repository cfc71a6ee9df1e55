"""The dimensions of one Gemma 4, which memory and speed follow from."""

import msgspec


class Gemma4(msgspec.Struct, frozen=True):
    """The dimensions of one Gemma 4 model; tuples have one item per layer."""

    size_label: str  # E2B, E4B, 12B, 26B A4B, 31B; otherwise the file's own label, or "other"
    parameters: int
    layers: int
    embedding_length: int
    feed_forward_lengths: tuple[int, ...]
    head_count: int
    kv_head_counts: tuple[int, ...]
    key_length: int  # per head of a global layer; values are as long
    key_length_swa: int  # per head of a sliding-window layer
    sliding_window: int
    sliding_pattern: tuple[bool, ...]  # True for sliding-window layers
    shared_kv_layers: int  # number of last layers that reuse the KV cache of earlier ones
    per_layer_embedding_length: int  # 0 for models without per-layer embeddings
    expert_count: int  # 0 for dense models
    expert_used_count: int
    expert_feed_forward_length: int
    context_length: int  # trained context, in tokens
    vocabulary_size: int
    has_thinking: bool

    @property
    def is_small(self) -> bool:
        """Whether this is an E2B or E4B model, which have their own prompt format."""
        return self.per_layer_embedding_length > 0

    @property
    def kv_layers(self) -> int:
        """The number of layers, counted from the first, that own a KV cache."""
        return self.layers - self.shared_kv_layers

    def key_length_of(self, layer: int) -> int:
        """Return the length of a head's keys, and of its values, in one layer."""
        return self.key_length_swa if self.sliding_pattern[layer] else self.key_length
