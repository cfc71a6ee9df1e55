"""Schema and grammar files, and errors for invalid ones."""

from pathlib import Path

import pytest

from g4run.chat.structured_output.grammar import Grammar, GrammarNotation
from g4run.cli.arguments.response_format import check_one_constraint, read_format, read_grammar
from g4run.errors import UsageError
from g4run.runtime.answers.answer import JsonFormat


def written(directory: Path, text: str) -> str:
    path = directory / "given"
    path.write_text(text, "utf-8")
    return str(path)


def test_a_format_is_json_or_a_schema_file(tmp_path: Path) -> None:
    assert read_format(None) is None
    assert read_format("json") == JsonFormat()
    assert read_format(written(tmp_path, '{"enum": ["é", 1]}')) == JsonFormat({"enum": ["é", 1]})
    assert read_format(written(tmp_path, "true")) == JsonFormat(True)


def test_a_file_named_json_needs_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("json").write_text('{"type": "null"}', "utf-8")
    assert (read_format("json"), read_format("./json")) == (JsonFormat(), JsonFormat({"type": "null"}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type":\n "strin"', " is not JSON: expecting ',' delimiter at line 2, column 9"),
        (
            '{"type": "strin"}',
            ": the JSON schema at #/type: must be one or more of null, boolean, integer, number, string, object, array",
        ),
        ("null", " contains null, which is not a JSON schema"),
        ("3", ": the JSON schema at #: a schema must be an object or a boolean, not a number"),
    ],
)
def test_a_schema_error_names_its_position(text: str, message: str, tmp_path: Path) -> None:
    given = written(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        read_format(given)
    assert caught.value.message == given + message


def test_a_missing_schema(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_format("yaml")
    assert caught.value.message == "--format must be json or a JSON schema file, not 'yaml'"
    with pytest.raises(UsageError, match=r"cannot read .*: is a directory"):
        read_format(str(tmp_path))


def test_a_grammar_is_the_text_of_its_file(tmp_path: Path) -> None:
    assert read_grammar(None, None) is None
    assert read_grammar(written(tmp_path, 'root ::= "ä"\n'), None) == Grammar('root ::= "ä"\n')
    assert read_grammar(written(tmp_path, '\ufeffroot ::= "a"'), None) == Grammar('root ::= "a"')
    lark = tmp_path / "rules.lark"
    lark.write_text('start: "a"', "utf-8")
    assert read_grammar(str(lark), None) == Grammar('start: "a"', GrammarNotation.LARK)
    assert read_grammar(None, "[a-z]+") == Grammar("[a-z]+", GrammarNotation.REGEX)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": there is no rule named root"),
        ('root ::= "a"\nother ::= (\n', ", line 3, column 1: expected a closing parenthesis"),
        ("root ::= item", ": there is no rule named item"),
        ('root ::= root "a"', ": no text satisfies it"),
    ],
)
def test_a_grammar_error_names_its_position(text: str, message: str, tmp_path: Path) -> None:
    given = written(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        read_grammar(given, None)
    assert caught.value.message == given + message


def test_a_missing_grammar() -> None:
    with pytest.raises(UsageError, match=r"^cannot read nowhere\.gbnf: no such file or directory$"):
        read_grammar("nowhere.gbnf", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": Empty grammar"),
        ('start: "a"\n  | item', ', line 1, column 8: unknown name: "item"'),
        ('start: "a" (', ", line 1, column 13: Expected token ')', found '\\n' (at \"\\n\" ('\\n'))"),
        ("a: /(?=a)/\nstart: a", ", line 1, column 4: invalid regex"),
    ],
)
def test_what_is_wrong_with_a_grammar_in_lark_is_said_with_its_place(text: str, message: str, tmp_path: Path) -> None:
    given = tmp_path / "rules.lark"
    given.write_text(text, "utf-8")
    with pytest.raises(UsageError) as caught:
        read_grammar(str(given), None)
    assert caught.value.message.startswith(f"{given}{message}")
    assert "Lark" in caught.value.hint


def test_what_is_wrong_with_an_expression() -> None:
    with pytest.raises(UsageError) as caught:
        read_grammar(None, "a(?=b)")
    assert caught.value.message == "--regex: look-around, including look-ahead and look-behind, is not supported"
    assert caught.value.hint == "the syntax is that of Rust's regex crate"


def test_two_constraints_exclude_each_other() -> None:
    check_one_constraint(format="json", grammar=None, regex=None)
    with pytest.raises(UsageError) as caught:
        check_one_constraint(format=None, grammar="rules.gbnf", regex="a")
    assert caught.value.message == "--grammar and --regex cannot be used together"
