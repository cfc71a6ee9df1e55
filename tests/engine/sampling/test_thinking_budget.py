from g4run.engine.parameters import ThoughtTokens
from g4run.engine.sampling.thinking_budget import ThinkingBudget

PIECES = {1: b"<|channel>", 2: b"<channel|>", 3: b"\n", 10: b"a", 11: b"\xe2\x82", 12: b"\xac"}
TOKENS = ThoughtTokens(opening=1, closing=(3, 2))
INSIDE = ThoughtTokens(opening=1, closing=(3, 2), opens_in_prompt=True)


def _written(tokens: ThoughtTokens | None, budget: int | None, drawn: list[int]) -> tuple[list[int], list[bool]]:
    """Return the tokens written when the model draws `drawn`, and whether the thought was open before each."""
    thought = ThinkingBudget(tokens, budget, PIECES.__getitem__)
    written, was_open = [], []
    model = iter(drawn)
    while (token := thought.forced if thought.forced is not None else next(model, None)) is not None:
        was_open.append(thought.is_open)
        thought.accept(token)
        written.append(token)
    return written, was_open


def test_the_budget_counts_from_the_opening_token() -> None:
    written, was_open = _written(TOKENS, 2, [1, 10, 10, 10, 10])
    assert written == [1, 10, 10, 3, 2, 10, 10]
    assert was_open == [False, True, True, True, True, False, False]


def test_a_thought_that_opened_in_the_prompt_is_counted_from_there() -> None:
    assert _written(INSIDE, 1, [10, 10])[0] == [10, 3, 2, 10]
    assert _written(INSIDE, 0, [10, 10])[0] == [3, 2, 10, 10]
    assert _written(TOKENS, 0, [1, 10])[0] == [1, 3, 2, 10]


def test_nothing_is_forced_when_the_model_closes_its_thought() -> None:
    written, was_open = _written(TOKENS, 3, [1, 10, 2, 10, 10, 10, 10])
    assert written == [1, 10, 2, 10, 10, 10, 10]
    assert was_open == [False, True, True, False, False, False, False]


def test_only_the_first_token_opens_a_thought() -> None:
    written, was_open = _written(TOKENS, 1, [10, 1, 10, 10])
    assert (written, was_open) == ([10, 1, 10, 10], [False] * 4)


def test_without_a_budget_nothing_is_forced() -> None:
    assert _written(INSIDE, None, [10] * 50)[0] == [10] * 50
    assert _written(None, None, [1, 10, 10]) == ([1, 10, 10], [False] * 3)


def test_an_incomplete_character_is_completed_first() -> None:
    assert _written(INSIDE, 2, [10, 11, 12, 10])[0] == [10, 11, 12, 3, 2, 10]
