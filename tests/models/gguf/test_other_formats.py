"""Files that look like models but are not GGUF: the error names the format and what to do."""

import gzip
import io
import json
import struct
import zipfile
from pathlib import Path

import pytest

from g4run.errors import InvalidModelFile
from g4run.models.gguf.header import read_header
from tests.models.gguf.headers import parse

HEADER = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
PULL = "g4run pull gemma4 downloads a GGUF file"
UNPACK = "unpack it and give the GGUF file inside"
ADDRESS = "download the file itself: on the Hub, its address has /resolve/ in it, not /blob/"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"


def zipped(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, b"content")
    return file.getvalue()


FORMATS = {
    "safetensors": (struct.pack("<Q", len(HEADER)) + HEADER + bytes(4), "a safetensors file", PULL),
    "zip": (zipped("gemma.gguf"), "a zip archive", UNPACK),
    "checkpoint": (zipped("archive/data.pkl"), "a PyTorch checkpoint", PULL),
    "gzip": (gzip.compress(b"GGUF"), "a gzip archive", UNPACK),
    "page": (b"\xef\xbb\xbf\r\n <!doctype HTML><html>", "a web page", ADDRESS),
    "page without a doctype": (b"<html lang=en>", "a web page", ADDRESS),
    "pointer": (LFS, "a Git LFS pointer", "run git lfs pull in its repository"),
    "zeros": (bytes(100_000), "an unfinished download, which starts with zeros", "download it again"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_other_formats_are_recognized(name: str, tmp_path: Path) -> None:
    content, kind, hint = FORMATS[name]
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(InvalidModelFile) as caught:
        read_header(path)
    assert (caught.value.message, caught.value.hint) == (f"model.gguf: this is not a GGUF file but {kind}", hint)


@pytest.mark.parametrize("content", [b"text that begins with nothing known", bytes(100), b"lmgg" + bytes(600)])
def test_an_unknown_format_shows_its_first_bytes(content: bytes) -> None:
    with pytest.raises(InvalidModelFile) as caught:
        parse(content)
    assert caught.value.message == (
        f"this is not a GGUF file: it starts with {content[:4]!r} at byte 0, not with b'GGUF'"
    )
    assert caught.value.hint == ""
