"""The official test suite for draft 2020-12: nothing that a schema does not allow is permitted.

It comes with the sources of the package `jsonschema`: .ci/run takes it from there. G4RUN_TEST_SCHEMAS names its folder.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from g4run.chat.structured_output.json_schema import compile_json_schema
from g4run.errors import UsageError
from tests.chat.structured_output.matching import matcher, tokens_of

SUITE = os.environ.get("G4RUN_TEST_SCHEMAS")
FILES = sorted(Path(SUITE, "tests", "draft2020-12").rglob("*.json")) if SUITE else []


def groups() -> Iterator[tuple[str, Any]]:
    for path in FILES:
        for group in json.loads(path.read_text("utf-8")):
            yield f"{path.stem}: {group['description']}", group


@pytest.mark.skipif(not FILES, reason="G4RUN_TEST_SCHEMAS is not set")
def test_nothing_invalid_is_permitted() -> None:
    wrong = []
    counts = {"groups": 0, "refused": 0, "valid": 0, "permitted": 0}
    for name, group in groups():
        counts["groups"] += 1
        try:
            start = matcher(compile_json_schema(group["schema"]))
        except UsageError:
            counts["refused"] += 1
            continue
        for test in group["tests"]:
            tokens = tokens_of(json.dumps(test["data"], ensure_ascii=False), has_tags=False)
            state = start.deep_copy()
            is_permitted = state.consume_tokens(tokens) and state.is_accepting()
            counts["valid"] += test["valid"]
            counts["permitted"] += test["valid"] and is_permitted
            if is_permitted and not test["valid"]:
                wrong.append(f"{name}: {test['description']}")
    assert wrong == []
    assert counts["refused"] < 0.4 * counts["groups"]
    assert counts["permitted"] > 0.5 * counts["valid"]
