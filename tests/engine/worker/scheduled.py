"""Runs requests through the scheduler and the prompt cache, over a simulation of llama.cpp's cache."""

from g4run.engine.worker.request import Request, Slice
from tests.engine.kv_cache.cache_model import Setup

SYSTEM = list(range(100, 150))  # a prefix long enough to wait for
OTHER_SYSTEM = [*SYSTEM[:40], *range(200, 215)]


def draw(tokens: list[int]) -> int:
    """Return a token that depends on all tokens before it, like a model's greedy choice."""
    return hash(tuple(tokens)) % 7


def request(request_id: int, tokens: list[int], max_tokens: int | None = None, *boundaries: int) -> Request:
    return Request(request_id, list(tokens), len(tokens), max_tokens, frozenset(boundaries))


class Run:
    """The generator's steps without a model, and the tokens of each ended request."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.scheduler, self.model, self.cache = setup.build()
        self.ended: dict[int, list[int]] = {}

    def step(self, draft: list[int] | None = None) -> list[Slice]:
        self.scheduler.admit()
        batch = self.scheduler.next_batch(draft or [])
        assert sum(len(part.tokens) for part in batch) <= self.setup.micro_batch
        assert sum(part.outputs for part in batch) <= max(self.setup.sequences, 1 + len(draft or []))
        assert len({part.sequence_id for part in batch}) == len(batch)
        assert self.model.decode(batch)
        due = self.scheduler.record_computed(batch)
        for part in batch:
            if part.outputs:
                self.draw(part)
        for sequence in due:
            self.cache.take_checkpoint(sequence)
        self.check()
        return batch

    def draw(self, part: Slice) -> None:
        taken, drafted = part.request, part.tokens[len(part.tokens) - part.drafted :]
        for right in range(part.outputs):
            token = draw(taken.tokens)
            if not self.scheduler.accept(taken, token):
                self.scheduler.finish(taken)
                self.ended[taken.request_id] = taken.tokens
                break
            if right == part.drafted or drafted[right] != token:
                break
            self.scheduler.accept_draft(taken)
        if part.drafted:
            self.model.truncate(part.sequence_id, taken.computed)

    def check(self) -> None:
        counted = self.cache.occupied_cells((each, each.computed) for each in self.cache.sequences)
        assert counted == len(self.model.base.cells) <= self.setup.cells
        assert self.cache.checkpoints.size_bytes <= self.setup.checkpoint_bytes
        assert self.cache.host_cache.size_bytes <= self.setup.ram_cache_bytes

    def finish(self) -> None:
        for _ in range(2000):
            if self.scheduler.is_idle:
                return
            assert self.step()
        raise AssertionError("requests are left")


def alone(tokens: list[int], max_tokens: int | None, cells: int) -> list[int]:
    tokens, prompt_length = list(tokens), len(tokens)
    while len(tokens) <= cells and (max_tokens is None or len(tokens) - prompt_length < max_tokens):
        tokens.append(draw(tokens))
    return tokens


def shape(batch: list[Slice]) -> list[tuple[int, int, tuple[int, ...], int]]:
    return [(part.request.request_id, part.position, part.tokens, part.outputs) for part in batch]
