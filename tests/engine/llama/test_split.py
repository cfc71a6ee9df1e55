"""The engine loads and runs a model split into several files."""

import os
from pathlib import Path

import pytest

from g4run.engine.client import Engine
from g4run.engine.parameters import GenerationParameters, LoadParameters
from g4run.models.gguf.shards import shard_paths
from tests.engine.requests import DEMO, GREEDY, generate
from tests.fakes.gguf_files import read_gguf, split_file, write_parts


def answer(path: Path, prompt: list[int], logs: Path) -> list[tuple[int, float | None]]:
    engine = Engine(LoadParameters(os.fsencode(path), context_length=256, threads=1), logs)
    sampled, _ = generate(engine, prompt, GenerationParameters(24, GREEDY, logprobs=0))
    engine.close()
    return [(each.token, each.logprob) for each in sampled]


@pytest.mark.parametrize("counts", [(5,), (5, 20), (0,)], ids=["2 parts", "3 parts", "no tensors in the first"])
def test_a_split_model_gives_the_same_answer(tmp_path: Path, prompt: list[int], counts: tuple[int, ...]) -> None:
    paths = write_parts(split_file(read_gguf(DEMO), *counts), tmp_path, DEMO)
    first, *others = shard_paths(paths[-1])
    assert [first, *others] == paths
    assert not any(path.samefile(DEMO) for path in paths)
    assert answer(first, prompt, tmp_path) == answer(DEMO, prompt, tmp_path) != []


@pytest.mark.skipif(os.name == "nt", reason="creating links takes a privilege on Windows")
def test_a_split_model_loads_through_the_links_of_a_snapshot(tmp_path: Path, prompt: list[int]) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "snapshot").mkdir()
    for index, path in enumerate(write_parts(split_file(read_gguf(DEMO), 9), tmp_path, DEMO)):
        blob = path.rename(tmp_path / "blobs" / f"digest{index}")
        (tmp_path / "snapshot" / path.name).symlink_to(blob)
    first, _ = shard_paths(tmp_path / "snapshot" / "model-00002-of-00002.gguf")
    assert answer(first, prompt, tmp_path) == answer(DEMO, prompt, tmp_path) != []
