"""A store inside the test's own directory, and fixtures for its contents."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import scan_cache_dir

from g4run.models.store.store import Store
from tests.fakes.stores import FakeCache, settings_in, write_model


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(settings_in(tmp_path))


@pytest.fixture
def cache(store: Store) -> FakeCache:
    store.settings.hub_cache.mkdir(parents=True)
    return FakeCache(store.settings.hub_cache)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "models" / "Gemma-4 Small_Q8_0.gguf")


@pytest.fixture
def whole_cache(store: Store) -> Iterator[None]:
    """Check after each test that huggingface_hub still reads the cache without a warning."""
    yield
    if store.settings.hub_cache.is_dir():
        assert [str(warning) for warning in scan_cache_dir(store.settings.hub_cache).warnings] == []
