"""Read --format and --grammar: JSON, a schema file, or a grammar file."""

from pathlib import Path
from typing import TYPE_CHECKING

from g4run.cli.arguments.prompt import parse_json, read_file
from g4run.errors import UsageError

if TYPE_CHECKING:
    from g4run.runtime.answers.answer import JsonFormat

ANY_JSON = "json"
_SCHEMA_HINT = 'a schema looks like {"type": "object", "properties": {"name": {"type": "string"}}}'
_GRAMMAR_HINT = "the notation is llama.cpp's GBNF, with the root rule `root`"


def read_format(given: str | None) -> "JsonFormat | None":
    """Read --format: `json` or a JSON schema file. Raises UsageError that names the file and the position."""
    from g4run.chat.grammars.json_schema import compile_json_schema
    from g4run.runtime.answers.answer import JsonFormat

    if given is None or given == ANY_JSON:
        return None if given is None else JsonFormat()
    if not Path(given).exists():
        raise UsageError(f"--format must be {ANY_JSON} or a JSON schema file, not {given!r}", "--format json")
    schema = parse_json(read_file(Path(given)), given, _SCHEMA_HINT)
    if schema is None:
        raise UsageError(f"{given} contains null, which is not a JSON schema", _SCHEMA_HINT)
    try:
        compile_json_schema(schema)
    except UsageError as error:
        raise UsageError(f"{given}: {error.message}", error.hint) from None
    return JsonFormat(schema)


def read_grammar_file(given: str | None) -> str | None:
    """Read the grammar file of --grammar. Raises UsageError that names file, line, and column."""
    from g4run.engine.gbnf_check import read_grammar

    if given is None:
        return None
    text = read_file(Path(given)).removeprefix("\ufeff")
    try:
        read_grammar(text)
    except ValueError as error:
        raise UsageError(f"{given}{str(error).removeprefix('grammar')}", _GRAMMAR_HINT) from None
    return text
