"""The speculator asks the drafter with the largest gain and informs all of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from g4run.engine.speculation.speculator import Speculator

ANSWER = [number % 7 for number in range(1000)]  # what the model generates


@dataclass
class ScriptedDrafter:
    """Drafts `knows` correct tokens, then wrong ones."""

    knows: int
    finds: bool = True
    calls: list[tuple[int, int, int]] = field(default_factory=list)
    followed: list[tuple[int, int, int, int]] = field(default_factory=list)

    def follow(self, request_id: int, sequence_id: int, length: int, index: int) -> None:
        self.followed.append((request_id, sequence_id, length, index))

    def propose(self, request_id: int, tokens: Sequence[int], limit: int) -> list[int]:
        self.calls.append((request_id, len(tokens), limit))
        right = ANSWER[len(tokens) : len(tokens) + min(limit, self.knows)]
        return [*right, *[-1] * (limit - len(right))] if self.finds else []


def generate(speculator: Speculator, steps: int) -> list[tuple[int, int]]:
    """Return (proposed, accepted) of each step; each drafted token costs a fifth of a step."""
    tokens, done = ANSWER[:10], list[tuple[int, int]]()
    for _ in range(steps):
        drafted = speculator.propose(1, tokens, 8)
        accepted = 0
        while accepted < len(drafted) and drafted[accepted] == ANSWER[len(tokens) + accepted]:
            accepted += 1
        tokens += ANSWER[len(tokens) : len(tokens) + accepted + 1]
        speculator.observe(accepted, 1 + 0.2 * len(drafted))
        done.append((len(drafted), accepted))
    return done


def test_the_drafter_with_the_larger_gain_is_asked() -> None:
    poor, good = ScriptedDrafter(knows=1), ScriptedDrafter(knows=4)
    speculator = Speculator([poor, good], limit=4)
    assert generate(speculator, 60)[-10:] == [(4, 4)] * 10
    assert speculator.gains[1] > speculator.gains[0]


def test_the_next_drafter_is_asked_when_one_finds_nothing() -> None:
    speculator = Speculator([ScriptedDrafter(knows=4, finds=False), ScriptedDrafter(knows=4)], limit=4)
    assert generate(speculator, 60)[-10:] == [(4, 4)] * 10


def test_drafters_that_are_never_right_are_turned_off() -> None:
    speculator = Speculator([ScriptedDrafter(knows=0), ScriptedDrafter(knows=0)], limit=4)
    steps = generate(speculator, 300)
    assert sum(proposed > 0 for proposed, _ in steps) == 2 * 4 * 4  # 4 trials of 4 steps each
    assert speculator.gains == (1.0, 1.0)


def test_drafts_fit_the_room_left() -> None:
    speculator = Speculator([ScriptedDrafter(knows=9)], limit=4)
    generate(speculator, 60)
    assert [len(speculator.propose(1, ANSWER[:100], room)) for room in (0, 1, 3, 9)] == [0, 1, 3, 4]


def test_without_drafters_nothing_is_proposed() -> None:
    assert generate(Speculator([], limit=4), 5) == [(0, 0)] * 5


def test_a_step_without_a_proposal_is_no_failed_draft() -> None:
    speculator = Speculator([ScriptedDrafter(knows=4)], limit=4)
    generate(speculator, 60)
    for _ in range(60):
        speculator.observe(0, 1.0)
    assert len(speculator.propose(1, ANSWER[:100], 4)) == 4


def test_follow_reaches_every_drafter() -> None:
    drafters = [ScriptedDrafter(knows=1), ScriptedDrafter(knows=1)]
    speculator = Speculator(drafters, limit=4)
    speculator.follow(7, 3, 21, 5)
    assert [each.followed for each in drafters] == [[(7, 3, 21, 5)]] * 2
