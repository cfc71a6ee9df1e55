import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from g4run.hardware.memory import Memory, inspect_memory

GIB = 1 << 30

# /proc/meminfo of a desktop with 32 GiB, shortened
DESKTOP = """\
MemTotal:       32594672 kB
MemFree:         1820332 kB
MemAvailable:   21904888 kB
Buffers:          803264 kB
Cached:         19052708 kB
SwapCached:         1044 kB
SwapTotal:       8388604 kB
SwapFree:        8320508 kB
HugePages_Total:       0
"""
# of a server with 64 GiB
SERVER = "MemTotal:       67108864 kB\nMemFree:        50331648 kB\nMemAvailable:   60817408 kB\n"
# of a virtual machine of WSL 2, which is given half of the host's memory
WSL2 = """\
MemTotal:       16345416 kB
MemFree:        14561108 kB
MemAvailable:   15321300 kB
Buffers:           12204 kB
Cached:           981312 kB
"""
WSL2_GROUPS = "14:misc:/\n7:memory:/\n2:cpu:/\n1:cpuset:/\n0::/init.scope\n"

SESSION = "user.slice/user-1000.slice/user@1000.service/app.slice/app-terminal.scope"


def machine(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def group(directory: str, limit: str, current: int, files: int = 0) -> dict[str, str]:
    """The files of a version 2 control group, whose file pages are half active, half inactive."""
    statistics = f"anon {current - files}\nfile {files}\nkernel_stack 49152\n"
    statistics += f"inactive_anon 0\ninactive_file {files // 2}\nactive_file {files - files // 2}\n"
    return {
        f"sys/fs/cgroup/{directory}memory.max": f"{limit}\n",
        f"sys/fs/cgroup/{directory}memory.current": f"{current}\n",
        f"sys/fs/cgroup/{directory}memory.stat": statistics,
    }


def group_v1(directory: str, limit: int, usage: int, files: int) -> dict[str, str]:
    """The files of a version 1 control group, which holds nothing but its children."""
    statistics = f"cache 0\nrss 0\ninactive_file 0\nactive_file 0\nhierarchical_memory_limit {limit}\n"
    statistics += f"total_cache {files}\ntotal_inactive_file {files - 4096}\ntotal_active_file 4096\n"
    return {
        f"sys/fs/cgroup/memory/{directory}memory.limit_in_bytes": f"{limit}\n",
        f"sys/fs/cgroup/memory/{directory}memory.usage_in_bytes": f"{usage}\n",
        f"sys/fs/cgroup/memory/{directory}memory.stat": statistics,
    }


DESKTOP_MEMORY = Memory(32_594_672 << 10, 21_904_888 << 10, None)
SERVER_TOTAL = 64 * GIB
NO_LIMIT_V1 = 9_223_372_036_854_771_712
IN_ROOT = {"proc/meminfo": SERVER, "proc/self/cgroup": "0::/\n"}
IN_PARENT = {"proc/meminfo": SERVER, "proc/self/cgroup": "0::/pod/box\n"}

CASES = {
    "a desktop": ({"proc/meminfo": DESKTOP}, DESKTOP_MEMORY),
    "a desktop's session": (
        {
            "proc/meminfo": DESKTOP,
            "proc/self/cgroup": f"0::/{SESSION}\n",
            **group(f"{SESSION}/", "max", 3 * GIB, GIB),
            **group("user.slice/", "max", 9 * GIB, 4 * GIB),
        },
        DESKTOP_MEMORY,
    ),
    "8 GiB of 64": (IN_ROOT | group("", str(8 * GIB), GIB), Memory(SERVER_TOTAL, 7 * GIB, 8 * GIB)),
    "full of files": (
        IN_ROOT | group("", str(8 * GIB), 8 * GIB - 4096, 6 * GIB),
        Memory(SERVER_TOTAL, 6 * GIB + 4096, 8 * GIB),
    ),
    "above its limit": (IN_ROOT | group("", str(8 * GIB), 9 * GIB), Memory(SERVER_TOTAL, 0, 8 * GIB)),
    "tighter above": (
        IN_PARENT | group("pod/box/", str(16 * GIB), 2 * GIB) | group("pod/", str(12 * GIB), 9 * GIB, GIB),
        Memory(SERVER_TOTAL, 4 * GIB, 12 * GIB),
    ),
    "more above, but in use": (
        IN_PARENT | group("pod/box/", str(8 * GIB), GIB) | group("pod/", str(12 * GIB), 10 * GIB),
        Memory(SERVER_TOTAL, 2 * GIB, 8 * GIB),
    ),
    "slowed down above 6 GiB": (
        IN_ROOT | group("", str(8 * GIB), GIB) | {"sys/fs/cgroup/memory.high": f"{6 * GIB}\n"},
        Memory(SERVER_TOTAL, 5 * GIB, 6 * GIB),
    ),
    "more than there is": (
        IN_ROOT | group("", str(512 * GIB), 2 * GIB),
        Memory(SERVER_TOTAL, 60_817_408 << 10, None),
    ),
    "no statistics": (
        IN_ROOT | {"sys/fs/cgroup/memory.max": str(8 * GIB)},
        Memory(SERVER_TOTAL, 8 * GIB, 8 * GIB),
    ),
    "a sibling's path": (
        {"proc/meminfo": SERVER, "proc/self/cgroup": "0::/../other\n", **group("", str(8 * GIB), GIB)},
        Memory(SERVER_TOTAL, 7 * GIB, 8 * GIB),
    ),
    "version 1": (
        {
            "proc/meminfo": SERVER,
            "proc/self/cgroup": "9:cpu,cpuacct:/docker/1\n5:memory:/docker/1\n0::/\n",
            **group_v1("docker/1/", 8 * GIB, 5 * GIB, 3 * GIB),
            **group_v1("docker/", NO_LIMIT_V1, 40 * GIB, GIB),
        },
        Memory(SERVER_TOTAL, 6 * GIB, 8 * GIB),
    ),
    "version 1, the host's path": (
        {
            "proc/meminfo": SERVER,
            "proc/self/cgroup": "5:memory:/docker/1\n",
            **group_v1("", 8 * GIB, 5 * GIB, 3 * GIB),
        },
        Memory(SERVER_TOTAL, 6 * GIB, 8 * GIB),
    ),
    "version 1, unlimited": (
        {"proc/meminfo": SERVER, "proc/self/cgroup": "5:memory:/\n", **group_v1("", NO_LIMIT_V1, 5 * GIB, GIB)},
        Memory(SERVER_TOTAL, 60_817_408 << 10, None),
    ),
    "WSL 2": (
        {"proc/meminfo": WSL2, "proc/self/cgroup": WSL2_GROUPS, **group_v1("", NO_LIMIT_V1, GIB, GIB // 2)},
        Memory(16_345_416 << 10, 15_321_300 << 10, None),
    ),
    "an old kernel": (
        {"proc/meminfo": "MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 20 kB\nCached: 300 kB\n"},
        Memory(1000 << 10, 420 << 10, None),
    ),
    "garbage": (
        {"proc/meminfo": DESKTOP, "proc/self/cgroup": "garbage\n0::\n", "sys/fs/cgroup/memory.max": "-5 what"},
        DESKTOP_MEMORY,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_memory_is_read(name: str, tmp_path: Path) -> None:
    files, expected = CASES[name]
    assert inspect_memory(machine(tmp_path, files)) == expected


@pytest.mark.parametrize(("limit", "usable"), [(None, 64), (8, 8), (100, 64)])
def test_usable_is_what_the_machine_and_the_limit_leave(limit: int | None, usable: int) -> None:
    assert Memory(64, 10, limit).usable_bytes == usable


def test_where_there_is_no_proc_psutil_says(tmp_path: Path) -> None:
    memory = inspect_memory(tmp_path)
    assert memory.total_bytes == psutil.virtual_memory().total
    assert 0 < memory.available_bytes < memory.total_bytes
    assert memory.limit_bytes is None


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="needs /proc")
def test_where_there_is_proc_psutil_is_not_even_imported() -> None:
    code = (
        "import sys; from g4run.hardware.memory import inspect_memory; inspect_memory(); print('psutil' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout == "False" + os.linesep


def test_this_machine_has_memory() -> None:
    memory = inspect_memory()
    assert 0 < memory.available_bytes <= memory.usable_bytes <= memory.total_bytes
