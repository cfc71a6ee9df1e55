"""The standard streams of a process of ours, kept for its messages alone."""

import io
import os
import sys


def take_standard_streams() -> tuple[io.BufferedReader, io.BufferedWriter]:
    """Stdin and stdout for messages; what llama.cpp or a driver prints to stdout joins stderr, which is the log."""
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415 - there is no such module elsewhere

        for descriptor in (0, 1):
            msvcrt.setmode(descriptor, os.O_BINARY)
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return open(0, "rb", closefd=False), output
