"""Which start of the machine this is: what was written in an earlier one may not have reached the disk."""

import hashlib
import subprocess
import sys
import uuid
from functools import cache
from pathlib import Path

_LINUX_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@cache
def boot_identity() -> str:
    """Eight hexadecimal digits that stay until the machine starts again; if nothing tells, until this process ends."""
    return hashlib.sha256((_system_boot_identity() or uuid.uuid4().hex).encode()).hexdigest()[:8]


def _system_boot_identity() -> str:
    if sys.platform == "linux":
        try:
            return _LINUX_BOOT_ID.read_text("ascii").strip()
        except OSError:
            return ""
    if sys.platform == "darwin":
        command = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
        try:
            return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        except OSError:
            return ""
    return ""
