import pytest
from msgspec.structs import replace

from g4run.kv_types import KvType
from g4run.planner.speed.bytes_read import (
    BytesRead,
    SplitBytesRead,
    attention_operations,
    cache_read_bytes,
    matrix_operations,
    split_reads,
)
from g4run.planner.speed.prompt import host_bytes
from g4run.planner.values import LayerWeights, ModelShape
from tests.planner.speed.speed_machines import make_plan
from tests.planner.speed.speed_rows import model_shape

SMALL = replace(
    model_shape("26B", 8),
    layers=(LayerWeights(100, 1600), LayerWeights(100, 1600)),
    embedding_bytes=50,
    output_bytes=3,
)  # two layers, the first a sliding one; 8 of 128 experts have 100 bytes


def weights_per_token(shape: ModelShape) -> float:
    return split_reads(shape, make_plan(shape).settings, 0).cpu.weight_bytes


@pytest.mark.parametrize(
    ("size", "billions"), [("E2B", 2.279), ("E4B", 4.644), ("12B", 11.907), ("26B", 3.811), ("31B", 30.696)]
)
def test_a_token_reads_active_weights_and_the_head_but_no_table(size: str, billions: float) -> None:
    assert weights_per_token(model_shape(size, 8)) / 1e9 == pytest.approx(billions, abs=0.002)


def test_an_untied_head_is_read_instead_of_the_embeddings() -> None:
    assert weights_per_token(SMALL) == 453
    assert weights_per_token(replace(SMALL, has_tied_head=False)) == 403


@pytest.mark.parametrize(
    ("size", "expected"),  # KiB per token in global layers, MiB in full windows; layers that share a cache read it too
    [("E2B", (14, 14)), ("E4B", (28, 35)), ("12B", (16, 320)), ("26B", (20, 200)), ("31B", (80, 800))],
)
def test_a_token_reads_the_cache_up_to_the_window(size: str, expected: tuple[int, int]) -> None:
    architecture = model_shape(size, 8).architecture
    layers = range(architecture.layers)
    read = {
        is_sliding: sum(
            cache_read_bytes(architecture, layer, KvType.F16, 100_000)
            for layer in layers
            if architecture.sliding_pattern[layer] is is_sliding
        )
        for is_sliding in (True, False)
    }
    assert read == {True: expected[1] * 2**20, False: expected[0] * 1024 * 100_000}


def test_a_quantized_cache_reads_less() -> None:
    architecture = model_shape("31B", 8).architecture
    read = [cache_read_bytes(architecture, 5, kind, 320) for kind in (KvType.F16, KvType.Q8_0, KvType.Q4_0)]
    assert read == [320 * 8192, 320 * 4352, 320 * 2304]


@pytest.mark.parametrize(
    ("gpu_layers", "expert_layers", "expected"),
    [
        (0, 0, SplitBytesRead(BytesRead(0, 0, 0), BytesRead(453, 0, 3), 0)),
        (1, 0, SplitBytesRead(BytesRead(53, 0, 1), BytesRead(400, 0, 2), 0)),
        (2, 0, SplitBytesRead(BytesRead(253, 0, 2), BytesRead(200, 0, 1), 0)),
        (3, 0, SplitBytesRead(BytesRead(453, 0, 3), BytesRead(0, 0, 0), 0)),
        (99, 0, SplitBytesRead(BytesRead(453, 0, 3), BytesRead(0, 0, 0), 0)),
        (3, 1, SplitBytesRead(BytesRead(353, 0, 3), BytesRead(100, 0, 0), 1)),
        (3, 30, SplitBytesRead(BytesRead(253, 0, 3), BytesRead(200, 0, 0), 2)),
        (2, 1, SplitBytesRead(BytesRead(253, 0, 2), BytesRead(200, 0, 1), 0)),
    ],
)
def test_layers_are_divided_as_llama_cpp_does(gpu_layers: int, expert_layers: int, expected: SplitBytesRead) -> None:
    settings = make_plan(SMALL, gpu_layers=gpu_layers, expert_layers=expert_layers).settings
    assert split_reads(SMALL, settings, 0) == expected


@pytest.mark.parametrize(("gpu_layers", "expert_layers", "expected"), [(3, 0, 0), (3, 1, 1600), (2, 2, 3300)])
def test_weights_that_a_prompt_copies_from_main_memory(gpu_layers: int, expert_layers: int, expected: int) -> None:
    settings = make_plan(SMALL, gpu_layers=gpu_layers, expert_layers=expert_layers).settings
    assert host_bytes(SMALL, settings) == expected


@pytest.mark.parametrize(
    ("size", "billions"), [("E2B", 1.877), ("E4B", 3.973), ("12B", 10.900), ("26B", 3.073), ("31B", 29.287)]
)
def test_operations_of_the_matrices(size: str, billions: float) -> None:
    architecture = model_shape(size, 8).architecture
    operations = sum(matrix_operations(architecture, layer) for layer in range(architecture.layers))
    assert operations / 2e9 == pytest.approx(billions, abs=0.001)


def test_operations_of_attention_stop_at_the_window() -> None:
    architecture = model_shape("26B", 8).architecture
    assert attention_operations(architecture, 0, 5000) == 4 * 16 * 256 * 1024
    assert attention_operations(architecture, 5, 5000) == 4 * 16 * 512 * 5000
