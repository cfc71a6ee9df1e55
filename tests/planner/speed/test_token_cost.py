import pytest
from msgspec.structs import replace

from g4run.kv_types import KvType
from g4run.planner.speed.prompt import host_bytes
from g4run.planner.speed.token_cost import (
    TokenCost,
    active_expert_weights,
    attention_operations,
    cache_read_bytes,
    copied_cache_bytes,
    matrix_operations,
    split_cost,
)
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
    return split_cost(shape, make_plan(shape).settings, 0).cpu.weight_bytes


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


def test_cuda_and_rocm_convert_a_quantized_cache_of_long_heads() -> None:
    architecture = model_shape("31B", 8).architecture
    copied = [copied_cache_bytes(architecture, layer, KvType.Q8_0, 320) for layer in (4, 5)]
    assert copied == [0, 2 * 320 * 8192]  # written, and read again; sliding layers have heads of 256
    assert copied_cache_bytes(architecture, 5, KvType.F16, 320) == 0


@pytest.mark.parametrize(
    ("gpu_layers", "expert_layers", "gpu", "cpu", "moved"),  # weight bytes and layers
    [
        (0, 0, (0, 0), (453, 3), 0),
        (1, 0, (53, 1), (400, 2), 0),
        (2, 0, (253, 2), (200, 1), 0),
        (3, 0, (453, 3), (0, 0), 0),
        (99, 0, (453, 3), (0, 0), 0),
        (3, 1, (353, 3), (100, 0), 1),
        (3, 30, (253, 3), (200, 0), 2),
        (2, 1, (253, 2), (200, 1), 0),
    ],
)
def test_layers_are_divided_as_llama_cpp_does(
    gpu_layers: int, expert_layers: int, gpu: tuple[int, int], cpu: tuple[int, int], moved: int
) -> None:
    cost = split_cost(SMALL, make_plan(SMALL, gpu_layers=gpu_layers, expert_layers=expert_layers).settings, 0)
    assert (cost.gpu.weight_bytes, cost.gpu.layers) == gpu
    assert (cost.cpu.weight_bytes, cost.cpu.layers) == cpu
    assert cost.expert_layers == moved


def test_experts_on_the_cpu_take_their_arithmetic_with_them() -> None:
    here, moved = (
        split_cost(SMALL, make_plan(SMALL, gpu_layers=3, expert_layers=count).settings, 0) for count in (0, 1)
    )
    architecture = SMALL.architecture
    head = architecture.vocabulary_size * architecture.embedding_length
    assert here.cpu == TokenCost(0, 0, 0, 0, 0, 0, 0, 0)
    assert here.gpu.weights == sum(matrix_operations(architecture, layer) for layer in (0, 1)) / 2 + head
    assert (moved.cpu.weights, moved.cpu.expert_bytes) == (active_expert_weights(architecture), 100)
    assert moved.gpu.weights == here.gpu.weights - active_expert_weights(architecture)


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
