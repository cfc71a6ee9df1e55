"""The tensors of a header, sorted by where llama.cpp puts them."""

import pytest
from msgspec.structs import replace

from g4run.models.gguf.architecture import inspect_architecture
from g4run.models.gguf.header import GgufHeader, TensorInfo, parse_header
from g4run.models.gguf.types import TENSOR_TYPES
from g4run.planner.memory.weights import padded_bytes, shape_of
from g4run.planner.values import LayerWeights, ModelShape
from scripts.shapes.sizes import SHAPES
from tests.fakes.gguf_files import EXPERTS, SMALL, GgufFile, gemma4_file
from tests.planner.shapes import header_of, real_shape

F32, Q4_0 = TENSOR_TYPES[0], TENSOR_TYPES[2]


def parsed(file: GgufFile) -> GgufHeader:
    data = file.header()
    return parse_header(lambda offset, length: data[offset : offset + length], None)


def shape_of_file(file: GgufFile) -> ModelShape:
    header = parsed(file)
    return shape_of("x", header, inspect_architecture(header), file_bytes=1, projector_bytes=2, drafter_bytes=3)


@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize("quantization", ["Q4_0", "Q4_K_M", "BF16"])
def test_every_tensor_is_counted_once(size: str, quantization: str) -> None:
    shape = real_shape(size, quantization)
    layers = sum(layer.dense_bytes + layer.expert_bytes for layer in shape.layers)
    counted = layers + shape.embedding_bytes + shape.table_bytes + shape.output_bytes
    assert counted == sum(padded_bytes(tensor) for tensor in header_of(size, quantization).tensors)
    assert (shape.has_tied_head, shape.is_exact) == (True, True)


def test_the_classes_of_26b_q4_0() -> None:
    shape = real_shape("26b")
    assert (shape.embedding_bytes, shape.table_bytes, shape.output_bytes) == (605_552_640, 0, 2816 * 4)
    assert shape.weight_type == "Q4_0"
    experts = 761_266_176 // 32 * 18 + 128 * 4  # of a layer, and a scale for each
    assert {layer.expert_bytes for layer in shape.layers} == {experts}
    assert {layer.largest_bytes for layer in shape.layers} == {2816 * 1408 * 128 // 32 * 18}


def test_tensors_without_a_layer_go_with_the_first_or_first_global_one() -> None:
    with_all, without = shape_of_file(gemma4_file(SMALL)), gemma4_file(SMALL)
    for name in ("per_layer_model_proj.weight", "per_layer_proj_norm.weight", "rope_freqs.weight"):
        without = without.lacking_tensor(name)
    bare = shape_of_file(without)
    more = [ours.dense_bytes - theirs.dense_bytes for ours, theirs in zip(with_all.layers, bare.layers, strict=True)]
    projection = 64 * 32 * 6 * 2 + 32 * 4  # F16 [64, 192] and F32 [32]
    assert more == [projection, 0, 64 // 2 * 4, 0, 0, 0]  # every third layer is global


def test_experts_are_matched_by_the_pattern() -> None:
    shape = shape_of_file(gemma4_file(EXPERTS, "Q4_0"))
    gate_up, down, scales = 64 * 64 * 4 // 32 * 18, 32 * 64 * 4 // 32 * 18, 32
    layer = shape.layers[0]
    assert layer.expert_bytes == gate_up + down + scales
    assert layer.expert_bytes == gate_up + down + scales
    assert layer.largest_bytes == gate_up


def test_an_untied_head_does_not_copy_the_embeddings() -> None:
    header = parsed(gemma4_file())
    head = TensorInfo("output.weight", (64, 1536), Q4_0, 0)
    tied = shape_of("x", header, inspect_architecture(header), file_bytes=1)
    untied = shape_of("x", replace(header, tensors=(*header.tensors, head)), inspect_architecture(header), file_bytes=1)
    size = 64 * 1536 // 32 * 18
    assert untied == replace(tied, output_bytes=tied.output_bytes + size, has_tied_head=False, head_type="Q4_0")


def test_tensors_are_padded_as_in_cpu_buffers() -> None:
    assert padded_bytes(TensorInfo("x", (1,), F32, 0)) == 32
    assert padded_bytes(TensorInfo("x", (8,), F32, 0)) == 32
    assert padded_bytes(TensorInfo("x", (64,), Q4_0, 0)) == 64


def test_companions_and_digest_are_kept() -> None:
    header = parsed(gemma4_file())
    assert shape_of("x", header, inspect_architecture(header), file_bytes=1, digest="abc").digest == "abc"
    shape = shape_of_file(gemma4_file())
    assert (shape.file_bytes, shape.projector_bytes, shape.drafter_bytes) == (1, 2, 3)
    assert LayerWeights(0, 0) not in shape.layers
