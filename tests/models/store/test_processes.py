import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from g4run.models.store.store import Store
from tests.fakes.stores import SUMMARY
from tests.models.store.test_store import some_record

WRITER = """
import sys
from pathlib import Path
from g4run.models.store.store import Store
from tests.fakes.stores import settings_in
from tests.models.store.test_store import some_record
store = Store(settings_in(Path(sys.argv[1])))
for number in range(int(sys.argv[3])):
    store.save(some_record(f"{sys.argv[2]}-{number}"))
"""
COUNTER = """
import sys
from msgspec.structs import replace
from pathlib import Path
from g4run.models.store.store import Store
from tests.fakes.stores import settings_in
store = Store(settings_in(Path(sys.argv[1])))
for _ in range(25):
    with store.locked():
        record = store.get("counter")
        summary = replace(record.summary, parameters=record.summary.parameters + 1)
        store.save(replace(record, summary=summary))
"""
ENDLESS = """
import itertools, sys
from pathlib import Path
from g4run.models.store.store import Store
from tests.fakes.stores import settings_in
from tests.models.store.test_store import some_record
store = Store(settings_in(Path(sys.argv[1])))
print("writing", flush=True)
for number in itertools.count():
    store.save(some_record(f"model-{number % 7}"))
"""


def run(program: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )


def test_two_processes_that_write_at_once_lose_nothing(store: Store, tmp_path: Path) -> None:
    store.save(replace(some_record("counter"), summary=replace(SUMMARY, parameters=0)))
    processes = [run(WRITER, tmp_path, name, 20) for name in "ab"] + [run(COUNTER, tmp_path) for _ in range(2)]
    while any(process.poll() is None for process in processes):
        assert store.read()[1] == ()
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    assert len(store.records()) == 41
    assert store.get("counter").summary.parameters == 50


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no kill -9 here")
def test_a_writer_that_is_killed_leaves_a_store_that_can_be_read(store: Store, tmp_path: Path) -> None:
    for seed in range(3):
        process = run(ENDLESS, tmp_path)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(random.Random(seed).uniform(0.01, 0.1))
        process.kill()
        process.communicate()
        assert store.read()[1] == ()
    assert store.records()
    store.save(some_record("last"))
    assert [path for path in store.directory.iterdir() if path.suffix == ".tmp"] == []


LIMITED = """
import resource, sys
from pathlib import Path
from g4run.errors import DiskFull
from g4run.models.store.store import Store
from tests.fakes.stores import settings_in
from tests.models.store.test_store import some_record
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    Store(settings_in(Path(sys.argv[1]))).save(some_record("a", "/models/other.gguf"))
except DiskFull as error:
    print(error.message)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no limits of a file's size here")
def test_a_record_for_which_there_is_no_room_changes_nothing(store: Store, tmp_path: Path) -> None:
    store.save(some_record("a"))
    output, _ = run(LIMITED, tmp_path).communicate()
    assert output == f"the disk is full: {store.directory}\n"
    assert store.records() == (some_record("a"),)
    assert sorted(path.name for path in store.directory.iterdir()) == [".lock", "a.json"]


def test_reading_loads_no_lock_and_nothing_heavy(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from g4run.models.store.store import Store
from tests.fakes.stores import settings_in
Store(settings_in(Path(sys.argv[1]))).records()
print(*{"filelock", "asyncio", "huggingface_hub", "httpx2"} & set(sys.modules))
"""
    output, _ = run(program, tmp_path).communicate()
    assert output == "\n"
