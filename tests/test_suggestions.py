from g4run.suggestions import did_you_mean, find_similar


def test_similar_names_are_spelled_as_they_are_known_and_the_most_similar_comes_first() -> None:
    known = ["Q5_K_S", "Q4_0", "Q5_K_M", "UD-Q5_K_M", "IQ2_XS"]
    assert find_similar("ud_q5_k_m", known) == ("UD-Q5_K_M", "Q5_K_M", "Q5_K_S")
    assert find_similar("rubbish", known) == ()


def test_a_hint_offers_all_names_or_says_something_else() -> None:
    assert did_you_mean(("a", "b", "c"), "see `g4run list`") == "did you mean a or b or c?"
    assert did_you_mean((), "see `g4run list`") == "see `g4run list`"
