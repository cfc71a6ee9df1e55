"""The shortest end of a grammar: none is shorter, it ends, and it is one that can be read."""

import pytest
from hypothesis import given

from g4run.engine.following.follower import Follower
from g4run.engine.following.stacks import TooAmbiguous
from g4run.engine.following.states import State
from g4run.engine.gbnf_check import read_grammar
from tests.engine.following.random_grammars import grammars
from tests.engine.following.written import Written

LONGEST = 4


def follow(text: str, ids: dict[str, int] | None = None) -> tuple[Follower, State]:
    follower = Follower(read_grammar(text), ids or {}, lambda token: bytes([token]))
    return follower, follower.begin()


def complete(text: str, written: str | bytes = b"") -> tuple[bytes | int, ...] | None:
    follower, start = follow(text)
    state = follower.write(start, written.encode() if isinstance(written, str) else written)
    assert state is not None
    return follower.completion(state)


@given(grammars(is_small=True))
def test_what_is_written_is_completed_by_the_shortest_text_that_goes_on_from_it(text: str) -> None:
    try:
        grammar = read_grammar(text)
    except ValueError:
        return  # too ambiguous for llama.cpp
    every = Written(grammar).texts(LONGEST)
    follower, start = follow(text)
    beginnings = {each[:length] for each in every for length in range(len(each) + 1)}
    for written in sorted(
        beginnings | {each + more for each in beginnings for more in "abcé日" if len(each) < LONGEST}
    ):
        try:
            state = follower.write(start, written.encode())
        except TooAmbiguous:
            return
        ends = [len(each[len(written) :].encode()) for each in every if each.startswith(written)]
        if state is None:
            assert not ends, written
            continue
        parts = follower.completion(state)
        if parts is None:
            assert not ends, written
            continue
        end = b"".join(part for part in parts if isinstance(part, bytes))
        assert len(end) == state.cost <= min(ends, default=state.cost)
        whole = written + end.decode()
        assert len(whole) > LONGEST or (whole in every and len(end) == min(ends))
        assert state.may_end is (written in every)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ('root ::= "a" | ""', ()),
        ('root ::= "abc" | "de"', (b"de",)),
        ('root ::= "ab" | "cd"', (b"ab",)),
        ("root ::= [\\x01-\\x1f0]", (b"0",)),
        ("root ::= [^a-z]", (b"A",)),
        ("root ::= [^\\x20-\\x7e]", (b"\x01",)),
        ("root ::= [\\n\\t]", (b"\t",)),
        ("root ::= [#_]", (b"#",)),
        ("root ::= [^\\x00-\\x7f]", ("ª".encode(),)),
        ("root ::= [\\u2000-\\u2fff]", ("⁰".encode(),)),
        ("root ::= [\\uD800-\\uE000]", ("\ue000".encode(),)),
        ("root ::= [\\u0600-\\u07ffa]{3}", (b"aaa",)),
        ('root ::= ("ab" | "c"){1000,2000}', (b"c" * 1000,)),
        ('root ::= (("a"{3} | "b"{2}) "c"){2,}', (b"bbcbbc",)),
        ('root ::= one\none ::= "(" one ")" | two two\ntwo ::= "x" | "[" one', (b"xx",)),
        ('root ::= ("a"? "b"*){5,9}', ()),
        ('root ::= ("a"? "b"?){0,2000} "."', (b".",)),
        ('root ::= [] [^] "" (| "a") "b"', (b"b",)),
        ('root ::= "\\x00" | "\\uD800" | "\\U00110000" | "abc"', (b"abc",)),
        ("root ::= [a-b-d]{2} [z-a] | [-a-]{3}", (b"aaa",)),
    ],
)
def test_the_shortest_text(text: str, end: tuple[bytes, ...]) -> None:
    assert complete(text) == end


@pytest.mark.parametrize("text", ['root ::= "a" root', "root ::= [\\x00]", 'root ::= "\\uDC00"', 'root ::= "a" [b-a]'])
def test_what_no_text_ends_has_no_end(text: str) -> None:
    follower, start = follow(text)
    assert (start.cost, follower.completion(start)) == (float("inf"), None)


@pytest.mark.parametrize(
    ("written", "end"),
    [
        (b"\xe6", b"\x97\xa5!"),
        (b"\xe6\x98", b"\x80!"),
        (b"\xc3", b"\xa9?"),
        (b"\xf0\x9f", b"\x80\x80."),
        (b"\xf0", b"\x90\x80\x80."),
    ],
)
def test_a_character_that_is_begun_is_completed_first(written: bytes, end: bytes) -> None:
    text = 'root ::= [日-本] "!" | "é?" | [^\\x00-\\uffff] "." | "日" "' + "x" * 9 + '"'
    assert complete(text, written) == (end,)


@pytest.mark.parametrize(
    "written", [b"\xc0\x80", b"\xc1", b"\xe0\x80", b"\xf0\x80", b"\x80", b"\xff", b"\xf5", b"\xe6a", b"\xc3\xc3"]
)
def test_bytes_that_are_no_character_have_no_end(written: bytes) -> None:
    follower, start = follow("root ::= .")
    state = follower.write(start, written)
    assert state is None or follower.completion(state) is None


def test_half_of_a_surrogate_pair_has_no_end() -> None:
    assert complete("root ::= .", b"\xed\xa0") is None


def test_named_tokens_stand_for_themselves() -> None:
    ids = {"<|a>": 1, "<[2]>": 2, "<|end>": 3}
    text = 'root ::= ("x" <|a> "yz" <[2]> <|a> | "xxxxx" <|end>)'
    follower = Follower(read_grammar(text), ids, lambda token: b"#", frozenset([3]))
    state = follower.begin()
    assert follower.completion(state) == (b"x", 1, b"yz", 2, 1)
    after = follower.write(state, b"xx")
    assert after is not None and follower.completion(after) is None  # nothing follows an end token


def test_a_token_may_be_both_itself_and_its_text() -> None:
    follower = Follower(read_grammar('root ::= <|a> "x" | "<|a>" "y"'), {"<|a>": 1}, lambda token: b"<|a>")
    after = follower.after(follower.begin(), 1)
    assert after is not None
    assert [follower.write(after, text) is None for text in (b"x", b"y", b"z")] == [False, False, True]
