"""The dimensions of the Gemma 4 family's members."""

from dataclasses import dataclass

VOCABULARY_SIZE = 262_144


@dataclass(frozen=True, slots=True)
class Shape:
    """The dimensions of one member of the family; the defaults are what all members share."""

    name: str
    layers: int
    width: int
    feed_forward: int
    heads: int
    kv_heads: int  # of sliding layers
    global_kv_heads: int
    window: int
    group: int  # layers in a group, of which the last attends globally
    shared_layers: int = 0
    per_layer_width: int = 0
    has_double_wide_shared_layers: bool = False
    experts: int = 0
    experts_used: int = 0
    expert_feed_forward: int = 0
    context_length: int = 262_144
    key_length: int = 512
    key_length_swa: int = 256

    def is_sliding(self, layer: int) -> bool:
        """Whether a layer sees only the sliding window."""
        return layer % self.group != self.group - 1

    def feed_forward_of(self, layer: int) -> int:
        """The width of a layer's feed-forward part."""
        is_wide = self.has_double_wide_shared_layers and layer >= self.layers - self.shared_layers
        return self.feed_forward * (2 if is_wide else 1)


SHAPES = {
    "e2b": Shape("E2B", 35, 1536, 6144, 8, 1, 1, 512, 5, 20, 256, True, context_length=131_072),
    "e4b": Shape("E4B", 42, 2560, 10_240, 8, 2, 2, 512, 6, 18, 256, context_length=131_072),
    "12b": Shape("12B", 48, 3840, 15_360, 16, 8, 1, 1024, 6),
    "26b": Shape("26B-A4B", 30, 2816, 2112, 16, 8, 2, 1024, 6, experts=128, experts_used=8, expert_feed_forward=704),
    "31b": Shape("31B", 60, 5376, 21_504, 32, 16, 4, 1024, 6),
}
