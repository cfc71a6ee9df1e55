"""Recognize files that are not GGUF by their first bytes, and say what to do."""

from g4run.errors import InvalidModelFile
from g4run.models.gguf.cursor import DOWNLOAD_AGAIN

START_BYTES = 512  # a web page may start with a comment; a zip archive names its first file

_PULL = "g4run pull gemma4 downloads a GGUF file"
_LFS_PULL = "run git lfs pull in its repository"
_UNPACK = "unpack it and give the GGUF file inside"
_RESOLVE_URL = "download the file itself: on the Hub, its address has /resolve/ in it, not /blob/"
LOCAL_HINTS = frozenset({_PULL, _LFS_PULL, _UNPACK, _RESOLVE_URL, DOWNLOAD_AGAIN})  # only for files on this machine
_MAX_SAFETENSORS_HEADER = 100_000_000  # bytes; MAX_HEADER_SIZE in safetensors/src/tensor.rs
_PAGE_STARTS = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<!--")


def explain_other_format(start: bytes) -> InvalidModelFile:
    """Return the error for a file that starts with these bytes."""
    name, hint = _recognize(start)
    if name:
        return InvalidModelFile(f"this is not a GGUF file but {name}", hint)
    return InvalidModelFile(f"this is not a GGUF file: it starts with {start[:4]!r} at byte 0, not with b'GGUF'")


def _recognize(start: bytes) -> tuple[str, str]:
    """Return what the file looks like, and a hint; both empty if it is unknown."""
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer", _LFS_PULL
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        if b"/data.pkl" in start:
            return "a PyTorch checkpoint", _PULL
        return "a zip archive", _UNPACK
    if start.startswith(b"\x1f\x8b"):
        return "a gzip archive", _UNPACK
    if start.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(_PAGE_STARTS):
        return "a web page", _RESOLVE_URL
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= _MAX_SAFETENSORS_HEADER:
        return "a safetensors file", _PULL
    if len(start) == START_BYTES and not any(start):
        return "an unfinished download, which starts with zeros", DOWNLOAD_AGAIN
    return "", ""
