from dataclasses import replace

from msgspec import structs

from g4run.cli.views.show import (
    details_value,
    render_details,
    render_license,
    render_metadata,
    render_modelfile,
    render_parameters,
    render_tensors,
    sampling_value,
)
from g4run.models.catalog.values import Sampling
from g4run.models.details import FileDetail, License, ModelDetails
from g4run.models.gguf.architecture import inspect_architecture
from g4run.models.gguf.header import GgufHeader, LongArray, TensorInfo, read_header
from g4run.models.gguf.types import TENSOR_TYPES, ValueType
from g4run.models.library import DEMO_PATH
from g4run.models.quantizations import FileRole

STRINGS = b"".join(len(text).to_bytes(8, "little") + text for text in (b"<pad>", b"<eos>", b"\xff", b"d", b"e"))
STRINGS = STRINGS.ljust(4096, b"\0")  # as in a file, which goes on
NUMBERS = b"".join(number.to_bytes(4, "little") for number in range(10_000))


def read(offset: int, length: int) -> bytes:
    data = STRINGS if offset == 0 else NUMBERS
    return data[:length]


def read_nothing(offset: int, length: int) -> bytes:
    raise OSError("gone")


HEADER = GgufHeader(
    version=3,
    metadata={
        "general.architecture": "gemma4",
        "gemma4.block_count": 30,
        "gemma4.rope.freq_base": 1000000.0,
        "gemma4.feed_forward_length": (256, 256, 512, 512, 512),
        "gemma4.attention.sliding_window_pattern": (True, False),
        "tokenizer.chat_template": "{{ bos_token }}\n" * 10,
        "tokenizer.ggml.tokens": LongArray(ValueType.STRING, 262_144, 0, 1_000_000, read),
        "tokenizer.ggml.token_type": LongArray(ValueType.INT32, 10_000, 1, 40_000, read),
        "tokenizer.ggml.scores": LongArray(ValueType.FLOAT32, 10_000, 1, 40_000, read_nothing),
    },
    types={},
    tensors=(
        TensorInfo("token_embd.weight", (2816, 262_144), TENSOR_TYPES[14], 0),
        TensorInfo("output_norm.weight", (2816,), TENSOR_TYPES[0], 605_552_640),
    ),
    alignment=32,
    data_offset=1024,
    size_bytes=None,
)
MODEL = FileDetail(FileRole.MODEL, "/cache/gemma-4-26B_q4_0-it.gguf", 14_439_000_000, "ab" * 32, "downloaded")
PROJECTOR = FileDetail(FileRole.PROJECTOR, "https://hub/x/blob/1/mmproj.gguf", 1_190_000_000, None, "on the Hub")
DETAILS = ModelDetails(
    name="gemma4:26b",
    model=structs.replace(
        inspect_architecture(read_header(DEMO_PATH)),
        size_label="26B A4B",
        parameters=25_233_142_046,
        context_length=262_144,
        embedding_length=2816,
    ),
    quantization="Q4_0",
    capabilities=("completion", "tools", "vision"),
    sampling=Sampling(1.0, 0.95, 64, 0.0, "Google's model card"),
    license=License("Apache-2.0", "https://licenses/apache"),
    files=(MODEL, PROJECTOR),
    header=HEADER,
    template=None,
    wire_bytes=None,
)


def test_details_are_sections() -> None:
    assert render_details(DETAILS) == (
        "Model\n"
        "  architecture      gemma4, 26B A4B\n"
        "  parameters        25.2B\n"
        "  context length    262,144\n"
        "  embedding length  2,816\n"
        "  quantization      Q4_0\n"
        "\n"
        "Capabilities\n"
        "  completion\n"
        "  tools\n"
        "  vision\n"
        "\n"
        "Projector\n"
        "  mmproj.gguf  1.2 GB\n"
        "\n"
        "Sampling\n"
        "  temperature  1.0\n"
        "  top-p        0.95\n"
        "  top-k        64\n"
        "  min-p        0.0\n"
        "  source       Google's model card\n"
        "\n"
        "License\n"
        "  Apache-2.0\n"
        "  https://licenses/apache\n"
        "\n"
        "Files\n"
        "  model, 14.4 GB, downloaded\n"
        "    /cache/gemma-4-26B_q4_0-it.gguf\n"
        f"    sha256 {'ab' * 32}\n"
        "  projector, 1.2 GB, on the Hub\n"
        "    https://hub/x/blob/1/mmproj.gguf\n"
    )


def test_an_unknown_license_has_no_section() -> None:
    nothing = replace(DETAILS, license=None)
    assert render_license(nothing) == ""
    assert "License" not in render_details(nothing)
    assert render_license(replace(DETAILS, license=License("my own", None))) == "my own\n"
    assert render_license(replace(DETAILS, license=License("a\nb\r", "c\td"))) == "a b\nc d\n"
    assert details_value(nothing, verbose=False)["license_url"] is None


def test_a_model_without_a_projector_has_no_projector_section() -> None:
    assert "Projector" not in render_details(replace(DETAILS, files=(MODEL,)))


def test_long_metadata_is_shortened() -> None:
    assert render_metadata(HEADER, None) == (
        "\n"
        "Metadata\n"
        "  general.architecture                     gemma4\n"
        "  gemma4.block_count                       30\n"
        "  gemma4.rope.freq_base                    1e+06\n"
        "  gemma4.feed_forward_length               [256, 256, 512, 512, ...] (5)\n"
        "  gemma4.attention.sliding_window_pattern  [true, false]\n"
        "  tokenizer.chat_template                  "
        "{{ bos_token }} {{ bos_token }} {{ bos_token }} {{ bos_token... (160 characters)\n"
        "  tokenizer.ggml.tokens                    [<pad>, <eos>, \ufffd, d, ...] (262,144)\n"
        "  tokenizer.ggml.token_type                [0, 1, 2, 3, ...] (10,000)\n"
        "  tokenizer.ggml.scores                    [...] (10,000)\n"
    )


def test_metadata_fits_a_terminal() -> None:
    assert max(len(line) for line in render_metadata(HEADER, 80).splitlines()) == 80


def test_tensors_are_a_table() -> None:
    assert render_tensors(HEADER, 80) == (
        "\n"
        "Tensors\n"
        "  NAME                TYPE  SHAPE              SIZE\n"
        "  token_embd.weight   Q6_K  2816 x 262144  605.6 MB\n"
        "  output_norm.weight  F32   2816            11.3 kB\n"
    )


def test_the_modelfile_makes_the_same_model() -> None:
    assert render_modelfile(DETAILS) == (
        "FROM gemma4:26b\nPARAMETER temperature 1.0\nPARAMETER top_p 0.95\nPARAMETER top_k 64\nPARAMETER min_p 0.0\n"
    )
    assert render_parameters(DETAILS) == "temperature  1.0\ntop_p        0.95\ntop_k        64\nmin_p        0.0\n"
    assert sampling_value(DETAILS) == {"temperature": 1.0, "top_p": 0.95, "top_k": 64, "min_p": 0.0}


def test_details_as_json() -> None:
    value = details_value(replace(DETAILS, files=(PROJECTOR,), wire_bytes=1234), verbose=False)
    assert value == {
        "name": "gemma4:26b",
        "label": "26B A4B",
        "architecture": "gemma4",
        "parameters": 25_233_142_046,
        "context_length": 262_144,
        "embedding_length": 2816,
        "quantization": "Q4_0",
        "capabilities": ["completion", "tools", "vision"],
        "sampling": {"temperature": 1.0, "top_p": 0.95, "top_k": 64, "min_p": 0.0},
        "license": "Apache-2.0",
        "license_url": "https://licenses/apache",
        "files": [
            {
                "role": "projector",
                "location": "https://hub/x/blob/1/mmproj.gguf",
                "size_bytes": 1_190_000_000,
                "sha256": None,
                "origin": "on the Hub",
            }
        ],
        "is_remote": True,
        "wire_bytes": 1234,
    }


def test_verbose_json_adds_the_header() -> None:
    value = details_value(DETAILS, verbose=True)
    assert value["metadata"] == {
        "general.architecture": "gemma4",
        "gemma4.block_count": 30,
        "gemma4.rope.freq_base": 1000000.0,
        "gemma4.feed_forward_length": [256, 256, 512, 512, 512],
        "gemma4.attention.sliding_window_pattern": [True, False],
        "tokenizer.chat_template": "{{ bos_token }}\n" * 10,
        "tokenizer.ggml.tokens": {"count": 262_144, "type": "string", "first": ["<pad>", "<eos>", "\ufffd", "d"]},
        "tokenizer.ggml.token_type": {"count": 10_000, "type": "int32", "first": [0, 1, 2, 3]},
        "tokenizer.ggml.scores": {"count": 10_000, "type": "float32", "first": []},
    }
    assert value["tensors"] == [
        {"name": "token_embd.weight", "type": "Q6_K", "shape": [2816, 262_144], "size_bytes": 605_552_640},
        {"name": "output_norm.weight", "type": "F32", "shape": [2816], "size_bytes": 11_264},
    ]
