"""Any mix of requests through the scheduler and the prompt cache gives each the tokens it would get alone."""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.kv_cache.cache_model import Setup
from tests.engine.worker.scheduled import OTHER_SYSTEM, SYSTEM, Run, alone, draw, request

PREFIXES = st.sampled_from([[], SYSTEM, OTHER_SYSTEM, SYSTEM[:20]])
TAILS = st.lists(st.integers(0, 2), min_size=1, max_size=30)
LIMITS = st.one_of(st.none(), st.integers(1, 40))
BOUNDARIES = st.lists(st.integers(1, 60), max_size=3)


@dataclass(frozen=True, slots=True)
class Submission:
    prefix: list[int]
    tail: list[int]
    max_tokens: int | None
    boundaries: list[int]


@dataclass(frozen=True, slots=True)
class Steps:
    count: int


@dataclass(frozen=True, slots=True)
class Cancellation:
    number: int


SETUPS = st.builds(
    Setup,
    sequences=st.integers(1, 4),
    cells=st.sampled_from([96, 128, 256]),
    window=st.sampled_from([4, 16, 40]),
    micro_batch=st.sampled_from([4, 7, 32]),
    checkpoint_bytes=st.sampled_from([0, 20_000, 1 << 20]),
    ram_cache_bytes=st.sampled_from([0, 30_000, 1 << 20]),
)
EVENT = st.one_of(
    st.builds(Submission, PREFIXES, TAILS, LIMITS, BOUNDARIES),
    st.builds(Steps, st.integers(1, 20)),
    st.builds(Cancellation, st.integers(0, 9)),
)


@settings(max_examples=150, deadline=None)
@given(SETUPS, st.lists(EVENT, max_size=14), st.booleans())
def test_every_request_of_a_mix_gets_the_tokens_it_would_get_alone(
    setup: Setup, events: list[Submission | Steps | Cancellation], drafts: bool
) -> None:
    """Shared prefixes, cancellations, full caches, right and wrong drafts; the simulation checks each token's past."""
    run = Run(setup)
    expected: dict[int, list[int]] = {}
    for number, event in enumerate(events):
        if isinstance(event, Submission):
            tokens = [*event.prefix, *event.tail]
            expected[number] = alone(tokens, event.max_tokens, setup.cells)
            run.scheduler.submit(request(number, tokens, event.max_tokens, *event.boundaries))
        elif isinstance(event, Steps):
            for _ in range(event.count):
                step_with_a_draft(run, drafts=drafts)
        elif run.scheduler.cancel(event.number) is not None:
            del expected[event.number]
    run.finish()
    assert run.ended == expected


def step_with_a_draft(run: Run, *, drafts: bool) -> None:
    if run.scheduler.is_idle:
        return
    running = run.scheduler.only_generating_request
    if not drafts or running is None:
        run.step()
        return
    tokens = list(running.tokens)
    room = run.setup.cells - len(tokens)
    if running.max_tokens is not None:
        room = min(room, running.max_tokens - running.generated - 1)
    draft: list[int] = []
    for number in range(min(3, room, run.setup.micro_batch - 1)):
        draft.append(draw([*tokens, *draft]) if number < len(tokens) % 4 else 99)
    run.step(draft)
