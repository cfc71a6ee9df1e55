"""What a file is that is no GGUF file, told by its first bytes, and what to do about it."""

from g4run.errors import InvalidModelFile
from g4run.models.gguf.cursor import AGAIN

START_BYTES = 512  # a page may begin with a comment, and a zip archive names its first file

_PULL = "g4run pull gemma4 fetches a file that it runs"
_POINTED = "git lfs pull, in the repository that it lies in"
_UNPACK = "unpack it, and give the GGUF file that was in it"
_ADDRESS = "download the file itself: on the Hub, its address has /resolve/ in it, not /blob/"
LOCAL_HINTS = frozenset({_PULL, _POINTED, _UNPACK, _ADDRESS, AGAIN})  # that suit a file on this machine only
_LARGEST_SAFETENSORS_HEADER = 100_000_000  # bytes; MAX_HEADER_SIZE in safetensors/src/tensor.rs
_PAGE_STARTS = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<!--")


def explain_foreign(start: bytes) -> InvalidModelFile:
    """The error for a file that begins with these bytes."""
    name, hint = _recognize(start)
    if name:
        return InvalidModelFile(f"this is not a GGUF file but {name}", hint)
    return InvalidModelFile(f"this is not a GGUF file: it begins with {start[:4]!r} at byte 0, not with b'GGUF'")


def _recognize(start: bytes) -> tuple[str, str]:
    """What it looks like, and what to do; empty texts for something else."""
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, which stands for the file", _POINTED
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        if b"/data.pkl" in start:
            return "a PyTorch checkpoint", _PULL
        return "a zip archive", _UNPACK
    if start.startswith(b"\x1f\x8b"):
        return "a gzip archive", _UNPACK
    if start.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(_PAGE_STARTS):
        return "a web page", _ADDRESS
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= _LARGEST_SAFETENSORS_HEADER:
        return "a safetensors file", _PULL
    if len(start) == START_BYTES and not any(start):
        return "an unfinished download, which begins with zeros", AGAIN
    return "", ""
