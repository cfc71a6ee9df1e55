from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest

from g4run.chat.tokens import CONTROL_TEXTS
from g4run.engine.llama.vocabulary import StopStrings, Vocabulary
from g4run.errors import LoadFailed
from scripts.shapes.metadata import string
from tests.fakes.gguf_files import gemma4_file
from tests.fakes.library import resolve


@pytest.fixture(scope="module")
def vocabulary() -> Iterator[Vocabulary]:
    found = Vocabulary(resolve("demo").path, CONTROL_TEXTS)
    yield found
    found.close()


def decode(vocabulary: Vocabulary, tokens: list[int]) -> str:
    return b"".join(map(vocabulary.piece, tokens)).decode()


def test_every_control_text_is_one_token(vocabulary: Vocabulary) -> None:
    tokens = [vocabulary.control_token(text) for text in CONTROL_TEXTS]
    assert len(set(tokens)) == len(CONTROL_TEXTS)
    assert [vocabulary.piece(token).decode() for token in tokens] == list(CONTROL_TEXTS)


@pytest.mark.parametrize("text", CONTROL_TEXTS)
def test_a_typed_control_text_stays_text(vocabulary: Vocabulary, text: str) -> None:
    control = {vocabulary.control_token(each) for each in CONTROL_TEXTS}
    for typed in (text, f"a{text}b", f"{text}{text}", f"<{text}>", f"{text[:-1]}{text}"):
        tokens = vocabulary.tokenize(typed)
        assert not control.intersection(tokens)
        assert decode(vocabulary, tokens) == typed


def test_all_control_texts_in_a_row_stay_text(vocabulary: Vocabulary) -> None:
    typed = "".join(first + second for first, second in combinations(CONTROL_TEXTS, 2))
    tokens = vocabulary.tokenize(typed)
    assert not {vocabulary.control_token(each) for each in CONTROL_TEXTS}.intersection(tokens)
    assert decode(vocabulary, tokens) == typed


@pytest.mark.parametrize(
    "text", ["", "Hello", "  two  spaces ", "tab\tand\r\n\n\nlines", "naïve 日本語 🙂", "<b>html</b>"]
)
def test_text_round_trips(vocabulary: Vocabulary, text: str) -> None:
    assert decode(vocabulary, vocabulary.tokenize(text)) == text


def test_a_long_piece_is_not_truncated(tmp_path: Path) -> None:
    file = gemma4_file()
    long_text = "ก" * 200  # 600 bytes
    tokens = file.entries["tokenizer.ggml.tokens"].replace(string("zu"), string(long_text))
    vocabulary = Vocabulary(file.having("tokenizer.ggml.tokens", tokens).write(tmp_path / "long.gguf"), CONTROL_TEXTS)
    assert vocabulary.piece(1500).decode() == long_text
    vocabulary.close()


def test_a_file_without_a_vocabulary_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.gguf"
    path.write_bytes(b"GGUF")
    with pytest.raises(LoadFailed, match=r"cannot read the vocabulary of .*none.gguf: \w+"):
        Vocabulary(path, CONTROL_TEXTS)


def test_using_a_closed_vocabulary_raises() -> None:
    closed = Vocabulary(resolve("demo").path, CONTROL_TEXTS)
    closed.close()
    closed.close()
    with pytest.raises(AttributeError):
        closed.tokenize("text")


STOPS = (("</s>", "STOP"), ("aab",), ("a", "ab"))
TEXTS = ("one STOP two", "aaab rest", "no end <", "xx</s", "STO", "aaaa")


@pytest.mark.parametrize("stops", STOPS)
@pytest.mark.parametrize("text", TEXTS)
def test_a_stop_string_cuts_at_its_first_occurrence_however_the_text_is_split(
    stops: tuple[str, ...], text: str
) -> None:
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    expected = text[: min(places)] if places else text
    for cut in range(len(text) + 1):
        assert through(stops, [text[:cut], text[cut:]]) == expected
    assert through(stops, list(text)) == expected


def through(stops: tuple[str, ...], pieces: list[str]) -> str:
    stream = StopStrings(stops)
    return "".join([*map(stream.feed, pieces), stream.finish()])


def test_without_stop_strings_nothing_is_held_back() -> None:
    stream = StopStrings(())
    assert [stream.feed("<"), stream.feed("x"), stream.finish()] == ["<", "x", ""]


def test_only_a_possible_prefix_of_a_stop_string_is_held_back() -> None:
    stream = StopStrings(("STOP",))
    assert [stream.feed(piece) for piece in ("ab S", "T", "x", "ST")] == ["ab ", "", "STx", ""]
