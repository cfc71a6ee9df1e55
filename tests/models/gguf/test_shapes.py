from pathlib import Path

import numpy as np
import pytest

from g4run.models.gguf.architecture import inspect_architecture
from g4run.models.gguf.header import read_header
from g4run.models.gguf.loadable import check_loadable
from scripts.shapes.mixes import MIXES, quantized_tensors
from scripts.shapes.sizes import SHAPES
from scripts.shapes.tensors import Tensor
from scripts.shapes.weights import RandomWeights
from scripts.shapes.writer import write_shape
from tests.fakes.gguf_files import EXPERTS, LARGE, SMALL, gemma4_file
from tests.models.gguf import llama_process

# Counted from the shapes; llama.cpp prints 4.65 B, 7.52 B, 11.91 B, 25.23 B and 30.70 B.
PARAMETERS = {
    "e2b": 4_647_450_147,
    "e4b": 7_518_069_290,
    "12b": 11_907_350_576,
    "26b": 25_233_142_046,
    "31b": 30_697_345_596,
}
TENSORS = {"e2b": 601, "e4b": 720, "12b": 667, "26b": 658, "31b": 833}
# The whole cache at 8192 tokens in f16, one sequence and a ubatch of 512 (src/llama-kv-cache-iswa.cpp).
KV_MIB_AT_8192 = {"e2b": 60, "e4b": 168, "12b": 608, "26b": 460, "31b": 1840}

# Of files of ggml-org and, for Q4_0, of Google: the sizes that their publishers' catalogues state.
PUBLISHED_BYTES = {
    ("e2b", "Q8_0"): 4_967_494_592,
    ("e4b", "Q8_0"): 8_031_240_160,
    ("e4b", "Q4_K_M"): 5_335_289_824,
    ("12b", "Q4_0"): 6_975_877_728,
    ("26b", "Q8_0"): 26_859_858_464,
    ("26b", "Q4_K_M"): 16_796_015_136,
    ("26b", "Q4_0"): 14_439_363_584,
    ("31b", "Q8_0"): 32_635_674_400,
    ("31b", "Q4_K_M"): 18_687_061_792,
    ("31b", "Q4_0"): 17_651_001_568,
}
REAL_HEADER_BYTES = 15_820_000  # of which the vocabulary takes 15,774,854


@pytest.fixture(scope="module")
def sparse_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("shapes")
    files = {size: directory / f"{size}.gguf" for size in SHAPES}
    for size, path in files.items():
        write_shape(size, "Q4_K_M", path)
    return files


def test_the_headers_are_those_of_the_family(sparse_files: dict[str, Path]) -> None:
    labels = {}
    for size, path in sparse_files.items():
        header = read_header(path)
        check_loadable(header)
        model = inspect_architecture(header)
        labels[size] = model.size_label
        assert (header.parameters, len(header.tensors)) == (PARAMETERS[size], TENSORS[size])
        assert model.is_small == (size in ("e2b", "e4b"))
        assert model.vocabulary_size == 262_144
    assert labels == {"e2b": "E2B", "e4b": "E4B", "12b": "12B", "26b": "26B A4B", "31b": "31B"}


def test_llama_cpp_counts_the_same_parameters_and_caches(sparse_files: dict[str, Path]) -> None:
    arguments = [part for path in sparse_files.values() for part in (str(path), "8192")]
    outcome = llama_process.run("dry", *arguments)
    expected = tuple(f"{PARAMETERS[size]} {float(KV_MIB_AT_8192[size])}" for size in sparse_files)
    assert outcome == llama_process.Outcome(False, expected)


@pytest.mark.parametrize(("size", "quantization"), PUBLISHED_BYTES)
def test_the_mixes_give_the_published_sizes(size: str, quantization: str) -> None:
    tensors = quantized_tensors(SHAPES[size], MIXES[quantization])
    total = REAL_HEADER_BYTES + sum(tensor.size_bytes for tensor in tensors)
    assert total == pytest.approx(PUBLISHED_BYTES[size, quantization], abs=50_000)


def test_e2b_q4_k_m_is_larger_than_the_published_one() -> None:
    """Unsloth's E2B keeps its two tables at Q5_K and Q4_K, where llama.cpp's own mix takes Q6_K: 10 % less."""
    tensors = quantized_tensors(SHAPES["e2b"], MIXES["Q4_K_M"])
    total = REAL_HEADER_BYTES + sum(tensor.size_bytes for tensor in tensors)
    assert total / 3_106_738_272 == pytest.approx(1.103, abs=0.001)


def test_26b_falls_back_when_rows_are_not_whole_blocks() -> None:
    kinds = {tensor.name: tensor.kind for tensor in quantized_tensors(SHAPES["26b"], MIXES["Q4_K_M"])}
    assert kinds["blk.0.ffn_down_exps.weight"] == "Q8_0"  # Q6_K would be the rule
    assert kinds["blk.5.ffn_down_exps.weight"] == "Q8_0"
    assert kinds["blk.4.ffn_down_exps.weight"] == "Q5_0"  # Q4_K would be the rule
    assert kinds["blk.0.ffn_gate_up_exps.weight"] == "Q4_K"


def test_a_sparse_file_is_a_hole(sparse_files: dict[str, Path]) -> None:
    size = sparse_files["31b"].stat()
    assert size.st_size > 18_000_000_000
    if hasattr(size, "st_blocks"):
        assert size.st_blocks * 512 < 20_000_000


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "Q4_0", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"])
def test_random_weights_are_small_numbers(kind: str) -> None:
    quants = pytest.importorskip("gguf.quants")
    gguf = pytest.importorskip("gguf")
    chunk = next(RandomWeights(1).chunks(Tensor("blk.0.ffn_up.weight", (256, 4096), kind)))
    values = quants.dequantize(chunk, gguf.GGMLQuantizationType[kind]) if kind != "F32" else chunk.view("<f4")
    assert np.isfinite(values).all()
    assert abs(float(values.mean())) < 0.005
    assert 0.01 < float(values.std()) < 0.05


def test_random_weights_follow_the_seed(tmp_path: Path) -> None:
    file = gemma4_file(SMALL)
    first, again = (file.write(tmp_path / name, "random").read_bytes() for name in ("1.gguf", "2.gguf"))
    assert first == again
    assert first[: len(file.header())] == file.header()


def test_small_random_files_decode(tmp_path: Path) -> None:
    files = [gemma4_file(shape).write(tmp_path / f"{shape.name}.gguf", "random") for shape in (SMALL, LARGE, EXPERTS)]
    arguments = [part for path in files for part in (str(path), "256")]
    assert llama_process.run("decode", *arguments) == llama_process.Outcome(False, ("finite",) * 3)
