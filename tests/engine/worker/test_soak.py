"""A short run of tests/benchmarks/soak.py: requests, cancels and kills side by side."""

import sys
from pathlib import Path

import pytest

from g4run.engine.client import Engine
from g4run.engine.parameters import LoadParameters
from tests.benchmarks.soak import soak
from tests.engine.requests import DEMO_PATH


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to kill with")
def test_many_requests_end_and_none_gets_tokens_of_another(tmp_path: Path) -> None:
    """The cache is half of what they need, and twice as many requests are open as can run."""
    parameters = LoadParameters(DEMO_PATH, 512, threads=1, sequences=4, micro_batch=64, ram_cache_bytes=4 << 20)
    engine = Engine(parameters, tmp_path)
    result = soak(engine, requests=200, kills=2, threads=8)
    engine.close()
    assert (result.unended, result.wrong, result.strangers) == (0, 0, 0)
    assert set(result.reasons) >= {"length", "cancelled", "worker died"}
    assert sum(result.reasons.values()) == 200
