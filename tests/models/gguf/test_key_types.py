"""Numbers of the wrong type are refused, as by llama.cpp."""

import struct
from pathlib import Path

import pytest

from g4run.models.gguf.header import parse_header
from g4run.models.gguf.key_types import KEY_TYPES
from g4run.models.gguf.types import VALUE_CODES, ValueType
from tests.fakes.gguf_files import GgufFile
from tests.models.gguf import llama_process
from tests.models.gguf.mutations import S, X, explanation

OTHERS = {
    ValueType.UINT32: ValueType.UINT64,
    ValueType.FLOAT32: ValueType.FLOAT64,
    ValueType.BOOL: ValueType.UINT8,
}


def retyped(key: str) -> GgufFile:
    """Return a valid file, except for the type of one number."""
    file = X if "expert" in key else S
    data = file.header()
    header = parse_header(lambda offset, length: data[offset : offset + length], None)
    value = 32 if key == "general.alignment" else header.metadata[key]
    value = value[0] if isinstance(value, tuple) else value
    other = OTHERS[KEY_TYPES[key]]
    return file.having(key, struct.pack(f"<I{VALUE_CODES[other]}", other, value))


@pytest.mark.parametrize("key", KEY_TYPES)
def test_a_number_of_another_type_is_explained(key: str) -> None:
    wanted = KEY_TYPES[key]
    assert explanation(retyped(key)) == (f"{key} is of type {OTHERS[wanted].name}, but llama.cpp needs {wanted.name}")


@pytest.mark.parametrize("key", KEY_TYPES)
def test_llama_cpp_refuses_it_too(key: str, tmp_path: Path) -> None:
    outcome = llama_process.run("decode", str(retyped(key).write(tmp_path / "model.gguf")), "64")
    assert outcome == llama_process.Outcome(False, ("refused",))
