"""The grammars that schemas become, in llama.cpp's hands: each is read, and permits what is valid and nothing else."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from g4run.chat.grammars.json_schema import compile_json_schema, json_grammar
from g4run.chat.grammars.tool_calls import calls_or_json_grammar, tool_call_grammar
from g4run.chat.messages import JsonValue, Tool
from g4run.chat.tokens import CONTROL_TEXTS
from g4run.engine.llama.vocabulary import Vocabulary
from g4run.engine.sampling.grammar import Grammar
from tests.chat.grammars.cases import CASES, Case
from tests.chat.grammars.sentences import Sentences
from tests.engine.requests import DEMO
from tests.engine.sampling.sampler_chain import LoadedVocabulary

REAL = os.environ.get("G4RUN_TEST_VOCABULARY")
TAGS = ("<|tool_call>", "<tool_call|>", '<|"|>')


class Judge:
    """Asks llama.cpp about texts, token by token."""

    def __init__(self, path: Path) -> None:
        self._loaded = LoadedVocabulary(path)
        self._vocabulary = Vocabulary(path, CONTROL_TEXTS)
        self._end = self._vocabulary.control_token("<turn|>")

    def close(self) -> None:
        self._loaded.close()
        self._vocabulary.close()

    def accepts(self, grammar: str, text: str, *, has_tags: bool = False) -> bool:
        """Whether a grammar permits a text up to its end; tags are control tokens only where they are said to be."""
        state = Grammar(grammar, self._loaded.pointer)
        try:
            for token in self._tokens_with_tags(text) if has_tags else self._vocabulary.tokenize(text):
                if not state.permits(token):
                    return False
                state.accept(token)
            return state.permits(self._end)
        finally:
            state.close()

    def _tokens_with_tags(self, text: str) -> Iterator[int]:
        while text:
            tag = next((each for each in TAGS if text.startswith(each)), None)
            if tag is not None:
                yield self._vocabulary.control_token(tag)
                text = text.removeprefix(tag)
                continue
            end = min((place for each in TAGS if (place := text.find(each)) >= 0), default=len(text))
            yield from self._vocabulary.tokenize(text[:end])
            text = text[end:]


@pytest.fixture(scope="module", params=["demo", "real"])
def judge(request: pytest.FixtureRequest) -> Iterator[Judge]:
    if request.param == "real" and REAL is None:
        pytest.skip("G4RUN_TEST_VOCABULARY is not set")
    judge = Judge(DEMO if request.param == "demo" else Path(REAL or ""))
    yield judge
    judge.close()


def json_texts(case: Case, value: JsonValue) -> list[str]:
    """The ways in which clients' libraries write a value."""
    texts = [
        json.dumps(value, ensure_ascii=False),
        json.dumps(value, ensure_ascii=False, separators=(",", ":")),
        json.dumps(value, ensure_ascii=False, indent=2),
        json.dumps(value, ensure_ascii=False, indent="\t"),
    ]
    return [*texts, json.dumps(value)] if case.has_escapes else texts


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_llama_cpp_permits_what_is_valid_and_nothing_else(case: Case, judge: Judge) -> None:
    grammar = compile_json_schema(case.schema)
    valid = [text for value in case.valid for text in json_texts(case, value)]
    invalid = [text for value in case.invalid for text in json_texts(case, value)]
    assert [text for text in valid if not judge.accepts(grammar, text)] == []
    assert [text for text in invalid if judge.accepts(grammar, text)] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_llama_cpp_permits_every_sentence_and_no_piece_of_one(case: Case, judge: Judge) -> None:
    grammar = compile_json_schema(case.schema)
    sentences = Sentences(grammar, seed=3)
    for _ in range(5):
        text = sentences.draw()
        assert judge.accepts(grammar, text), text
        if text[-1] in '"}]':
            assert not judge.accepts(grammar, text[:-1])
            assert not judge.accepts(grammar, text + text[-1])


@pytest.mark.parametrize(
    ("text", "is_valid"),
    [
        ("{}", True),
        ('{"a": [1, -2.5e-7, true, null, {"é": "\\ud83d\\ude00\\n"}]}', True),
        ('{\n  "a": 1,\n  "b": [\n    2\n  ]\n}', True),
        ("[]", False),
        ('"text"', False),
        ('{"a": 1,}', False),
        ('{"a":  1}', False),
        ("{\n\n}", False),
        ('{"a": "\n"}', False),
        ('{"a": "\\ud83d"}', False),
        ('{"a": 01}', False),
        ('{"a": 1', False),
        (' {"a": 1}', False),
        ('{"a": 1} ', False),
    ],
)
def test_json_mode(text: str, is_valid: bool, judge: Judge) -> None:
    assert judge.accepts(json_grammar(), text) is is_valid


TOOLS = [
    Tool(
        "search",
        "",
        {
            "type": "object",
            "properties": {
                "query": {"type": "string"},
                "limit": {"type": "integer", "minimum": 1, "maximum": 50},
                "tags": {"type": "array", "items": {"enum": ["a<", "b"]}},
                "zip:code": {"type": "string", "pattern": "^[0-9]{5}$"},
            },
            "required": ["query"],
        },
    ),
    Tool("now"),
]
Q = '<|"|>'
CALLS = [
    (f'<|tool_call>call:search{{query:{Q}a {{b}}, "c"\n<|x{Q}}}<tool_call|>', True),
    (f'<|tool_call>call:search{{query:{Q}<|"|{Q},limit:50}}<tool_call|>', True),
    (f"<|tool_call>call:search{{query:{Q}{Q},tags:[{Q}a<{Q},{Q}b{Q}]}}<tool_call|>", True),
    (f"<|tool_call>call:search{{query:{Q}x{Q},{Q}zip:code{Q}:{Q}01234{Q}}}<tool_call|>", True),
    ("<|tool_call>call:now{}<tool_call|><|tool_call>call:now{}<tool_call|>", True),
    (f"<|tool_call>call:search{{query:{Q}x{Q},limit:51}}<tool_call|>", False),
    ("<|tool_call>call:search{limit:5}<tool_call|>", False),
    ("<|tool_call>call:search{query:x}<tool_call|>", False),
    (f"<|tool_call>call:search{{query:{Q}x{Q},zip:code:{Q}01234{Q}}}<tool_call|>", False),
    (f"<|tool_call>call:search{{query:{Q}x{Q},tags:[{Q}a{Q}]}}<tool_call|>", False),
    ("<|tool_call>call:find{}<tool_call|>", False),
    ("<|tool_call>call:now{}", False),
    ("I call now. <|tool_call>call:now{}<tool_call|>", False),
    ("", False),
]


@pytest.mark.parametrize(("text", "is_valid"), CALLS)
def test_calls(text: str, is_valid: bool, judge: Judge) -> None:
    assert judge.accepts(tool_call_grammar(TOOLS), text, has_tags=True) is is_valid


def test_a_tag_that_is_only_spelled_out_is_none(judge: Judge) -> None:
    assert not judge.accepts(tool_call_grammar(TOOLS, "now"), "<|tool_call>call:now{}<tool_call|>")


def test_only_the_named_tool_and_only_so_many_calls(judge: Judge) -> None:
    call = "<|tool_call>call:now{}<tool_call|>"
    grammar = tool_call_grammar(TOOLS, "now", most=2)
    assert [judge.accepts(grammar, call * count, has_tags=True) for count in range(4)] == [False, True, True, False]
    other = f"<|tool_call>call:search{{query:{Q}x{Q}}}<tool_call|>"
    assert not judge.accepts(grammar, other, has_tags=True)


@pytest.mark.parametrize(
    ("text", "is_valid"),
    [
        ('{"ok": true}', True),
        ("<|tool_call>call:ping{}<tool_call|>", True),
        ("<|tool_call>call:ping{}<tool_call|><|tool_call>call:ping{}<tool_call|>", True),
        ('{"ok": 1}', False),
        ('{"ok": true}<|tool_call>call:ping{}<tool_call|>', False),
        ('<|tool_call>call:ping{}<tool_call|>{"ok": true}', False),
        ("<|tool_call>call:pong{}<tool_call|>", False),
    ],
)
def test_calls_or_json(text: str, is_valid: bool, judge: Judge) -> None:
    schema: JsonValue = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    grammar = calls_or_json_grammar([Tool("ping")], schema)
    assert judge.accepts(grammar, text, has_tags=True) is is_valid


def test_calls_or_any_object(judge: Judge) -> None:
    grammar = calls_or_json_grammar([Tool("ping")], None)
    assert judge.accepts(grammar, '{"a": [1]}') and not judge.accepts(grammar, "[1]")
    assert judge.accepts(grammar, "<|tool_call>call:ping{}<tool_call|>", has_tags=True)
