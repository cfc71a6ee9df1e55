"""Build the graph of Gemma 4 for one micro-batch, as src/models/gemma4.cpp and src/llama-graph.cpp do.

Only what decides about memory is here: sizes, order, users, and which operations may overwrite their operand.
"""

from g4run.planner.memory.graph.rotation import VALUE_ROTATION, largest_rotation
from g4run.planner.memory.graph.tensors import Graph, Load, Tensor

_FLOAT = 4
_MASK = 2  # F16 with flash attention
_INDEX = 8  # I64 of the cells to write to


class GraphBuilder:
    """Builds one graph."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.model = load.architecture
        self.graph = Graph()
        self.tokens = load.tokens
        self.width = self.model.embedding_length
        self.positions = self._input(_FLOAT * load.tokens)
        self.indexes = [[self._input(_INDEX * load.tokens) for _ in range(2)] for _ in range(2)]
        self.masks = [self._input(_MASK * cells * load.tokens) for cells in (load.context_cells, load.sliding_cells)]
        sides = [largest_rotation(length) for length in (self.model.key_length, self.model.key_length_swa)]
        self.key_rotations = [self._input(_FLOAT * side**2) for side in sides]
        self.value_rotations = [self._input(_FLOAT * VALUE_ROTATION**2) for _ in range(2)]
        self.caches: dict[bool, tuple[Tensor, Tensor]] = {}

    def build(self) -> Graph:
        """Return the graph."""
        tokens, embedded = self._input(_FLOAT * self.tokens), self._input(_FLOAT * self.width * self.tokens)
        state = self._node("GET_ROWS", self.width, self._weight(self.load.cpu), tokens)
        self.graph.expand(state)
        self.graph.expand(embedded)  # the place of an image's embeddings, also in a batch of tokens
        state = self._node("SCALE", self.width, state)
        inputs = self._per_layer_inputs(state) if self.model.per_layer_embedding_length else None
        for layer in range(self.model.layers):
            state = self._layer(layer, state, inputs)
        self.graph.expand(self._head(state))
        return self.graph

    def _head(self, state: Tensor) -> Tensor:
        place = self.load.places[-1]
        hidden = self._norm(state, place)
        hidden.is_output = True
        outputs = self._input(_FLOAT * self.load.outputs)
        rows = Tensor("GET_ROWS", _FLOAT * self.width * self.load.outputs, [hidden, outputs], is_output=True)
        size = _FLOAT * self.model.vocabulary_size * self.load.outputs
        logits = Tensor("MUL_MAT", size, [self._weight(place), rows], rows=self.load.outputs)
        for operation in ("SCALE", "UNARY", "SCALE"):
            logits = Tensor(operation, size, [logits])
        logits.is_output = True
        return logits

    def _per_layer_inputs(self, state: Tensor) -> Tensor:
        width = self.model.per_layer_embedding_length * self.model.layers
        rows = self._node("GET_ROWS", width, self._weight(self.load.cpu), self._input(_FLOAT * self.tokens))
        chosen = self._node("SCALE", width, _view(rows))
        self.graph.expand(chosen)
        place = self.load.places[0]
        projected = self._node(
            "SCALE", width, self._node("MUL_MAT", width, self._weight(place, self.load.largest_bytes[0]), state)
        )
        projected = self._norm(_view(projected), place)
        mixed = self._node("SCALE", width, self._node("ADD", width, projected, chosen))
        return self._node("CONT", width, _view(mixed, "PERMUTE"))

    def _layer(self, layer: int, state: Tensor, inputs: Tensor | None) -> Tensor:
        place = self.load.places[layer]
        attended = self._norm(self._attention(layer, self._norm(state, place)), place)
        attended = self._node("ADD", self.width, attended, state)
        if self.model.expert_count:
            dense = self._norm(self._feed_forward(layer, self._norm(attended, place)), place)
            mixed = self._norm(self._experts(layer, attended), place)
            result = self._node("ADD", self.width, dense, mixed)
        else:
            result = self._feed_forward(layer, self._norm(attended, place))
        result = self._node("ADD", self.width, self._norm(result, place), attended)
        if inputs is not None:
            result = self._node("ADD", self.width, result, self._per_layer(layer, result, inputs))
        return self._node("MUL", self.width, result, self._weight(place))

    def _per_layer(self, layer: int, state: Tensor, inputs: Tensor) -> Tensor:
        width, place = self.model.per_layer_embedding_length, self.load.places[layer]
        gate = self._node("UNARY", width, self._matrix(layer, width, state))
        part = Tensor("VIEW", _FLOAT * width * self.tokens, [inputs], inputs)
        return self._norm(self._matrix(layer, self.width, self._node("MUL", width, gate, part)), place)

    def _attention(self, layer: int, state: Tensor) -> Tensor:
        place, sliding = self.load.places[layer], self.model.sliding_pattern[layer]
        width = self.model.key_length_of(layer) * self.model.head_count
        factors = [] if sliding else [self._weight(place)]
        query = self._norm(_view(self._matrix(layer, width, state)), place)
        query = self._node("ROPE", width, query, self.positions, *factors)
        query = self._rotated(query, self.key_rotations[sliding])
        if layer < self.model.kv_layers:
            self._store(layer, state, query, factors)
        self.graph.expand(query)
        key, value = (_view(cache, "PERMUTE") for cache in self.caches[sliding])
        query = _view(_view(query), "PERMUTE")
        attended = self._node("FLASH_ATTN_EXT", width, query, key, value, self.masks[sliding])
        attended = self._rotated(_view(attended), self.value_rotations[sliding])
        return self._matrix(layer, self.width, attended)

    def _store(self, layer: int, state: Tensor, query: Tensor, factors: list[Tensor]) -> None:
        """Compute keys and values after the query, and write them to the cache; large models' global layers share."""
        place, sliding = self.load.places[layer], self.model.sliding_pattern[layer]
        width = self.model.key_length_of(layer) * self.model.kv_head_counts[layer]
        raw_key = self._matrix(layer, width, state)
        raw_value = self._matrix(layer, width, state) if sliding or self.model.is_small else raw_key
        key, value = _view(raw_key), self._node("RMS_NORM", width, _view(raw_value))
        key = self._node("ROPE", width, self._norm(key, place), self.positions, *factors)
        key = self._rotated(key, self.key_rotations[sliding])
        value = self._rotated(value, self.value_rotations[sliding])
        for tensor in (query, key, value):
            self.graph.expand(tensor)
        cells = self.load.sliding_cells if sliding else self.load.context_cells
        size = width * cells * self.load.block_bytes // self.load.block_values
        self.caches[sliding] = Tensor("", size, place=place), Tensor("", size, place=place)
        for tensor, index, cache in zip((key, value), self.indexes[sliding], self.caches[sliding], strict=True):
            self.graph.expand(Tensor("SET_ROWS", size, [_view(tensor), index, cache], cache))

    def _rotated(self, tensor: Tensor, rotation: Tensor) -> Tensor:
        """Multiply by a rotation if the cache is quantized (llama_mul_mat_hadamard)."""
        if not self.load.is_rotated:
            return tensor
        return _view(Tensor("MUL_MAT", tensor.size_bytes, [rotation, _view(tensor)], rows=self.tokens))

    def _feed_forward(self, layer: int, state: Tensor) -> Tensor:
        width = self.model.feed_forward_lengths[layer]
        up, gate = self._matrix(layer, width, state), self._matrix(layer, width, state)
        return self._matrix(layer, self.width, self._node("GLU", width, gate, up))

    def _experts(self, layer: int, state: Tensor) -> Tensor:
        place = self.load.places[layer]
        home = self.load.cpu if layer < self.load.cpu_expert_layers else place
        used, count = self.model.expert_used_count, self.model.expert_count
        inner = self.model.expert_feed_forward_length
        routed = self._norm(state, place)
        router = self._node("SCALE", self.width, self._node("RMS_NORM", self.width, state))
        router = self._node("MUL", self.width, router, self._weight(place))
        chances = self._node("SOFT_MAX", count, self._node("MUL_MAT", count, self._weight(place), router))
        order = self._node("ARGSORT", count, chances)
        chosen = Tensor("VIEW", _FLOAT * (used + (self.tokens - 1) * count), [order], order)
        weights = _view(self._node("GET_ROWS", used, _view(chances), chosen))
        total = self._node("SUM_ROWS", 1, weights)
        weights = _view(self._node("DIV", used, weights, _view(total, "CLAMP")))
        self.graph.expand(weights)
        gate_up, down = (
            self._weight(home, self.load.largest_bytes[layer]),
            self._weight(home, self.load.down_bytes[layer]),
        )
        both = self._node("MUL_MAT_ID", 2 * inner * used, gate_up, _view(routed), chosen)
        halves = [Tensor("VIEW", both.size_bytes - _FLOAT * inner, [both], both) for _ in range(2)]
        parts = self._node("MUL_MAT_ID", self.width * used, down, self._node("GLU", inner * used, *halves), chosen)
        scales = self._node("REPEAT", count, _view(self._weight(home, _FLOAT * count)))
        parts = self._node("MUL", self.width * used, parts, self._node("GET_ROWS", used, scales, chosen))
        parts = self._node("MUL", self.width * used, parts, weights)
        self.graph.expand(parts)
        size = _FLOAT * self.width * (1 + (self.tokens - 1) * used)
        shown = [Tensor("VIEW", size, [parts], parts) for _ in range(used)]
        for view in shown:
            self.graph.expand(view)
        result = shown[0]
        for view in shown[1:]:
            result = self._node("ADD", self.width, result, view)
            self.graph.expand(result)
        return result

    def _matrix(self, layer: int, width: int, state: Tensor) -> Tensor:
        """Multiply by a matrix, at the size per weight of the layer's largest one; this matters if a GPU copies it."""
        model, largest = self.model, self.load.largest_bytes[layer]
        experts = 2 * model.expert_feed_forward_length * model.expert_count
        most = _FLOAT * self.tokens * self.width * (experts or model.feed_forward_lengths[layer])
        size = min(largest, largest * width * state.size_bytes // most)
        return self._node("MUL_MAT", width, self._weight(self.load.places[layer], size), state)

    def _norm(self, state: Tensor, place: int) -> Tensor:
        width = state.size_bytes // self.tokens // _FLOAT
        return self._node("MUL", width, self._node("RMS_NORM", width, state), self._weight(place, _FLOAT * self.width))

    def _node(self, operation: str, width: int, *sources: Tensor) -> Tensor:
        return Tensor(operation, _FLOAT * width * self.tokens, list(sources), rows=self.tokens)

    def _weight(self, place: int, size_bytes: int = 0) -> Tensor:
        return Tensor("", size_bytes, place=place, is_weight=True)

    def _input(self, size_bytes: int) -> Tensor:
        return Tensor("", size_bytes, is_input=True)


def _view(tensor: Tensor, operation: str = "RESHAPE") -> Tensor:
    return Tensor(operation, tensor.size_bytes, [tensor], tensor.root)
