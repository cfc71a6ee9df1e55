"""The built-in model computes what the training script says: llama.cpp's logits against those of PyTorch.

`golden/demo_logits.npz` was written by `python -m scripts.demo` from the weights in `g4run/data/demo.gguf`, with the
differences that wrong arithmetic would make; the tolerances here are below every one of them.
"""

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import llama_cpp
import numpy as np
import numpy.typing as npt
import pytest

MODEL = Path(__file__).parents[1] / "g4run" / "data" / "demo.gguf"
GOLDEN = Path(__file__).parent / "golden" / "demo_logits.npz"
MEAN_TOLERANCE = 0.003
LARGEST_TOLERANCE = 0.05

Logits = npt.NDArray[np.float32]
Reference = dict[str, npt.NDArray[Any]]


class LlamaModel:
    """The file as llama.cpp loads it."""

    def __init__(self, path: Path) -> None:
        parameters = llama_cpp.llama_model_default_params()
        parameters.n_gpu_layers = 0
        self.model = llama_cpp.llama_model_load_from_file(str(path).encode(), parameters)
        self.vocab = llama_cpp.llama_model_get_vocab(self.model)

    def tokenize(self, text: str) -> list[int]:
        data = text.encode()
        tokens = (llama_cpp.llama_token * (len(data) + 1))()
        count = llama_cpp.llama_tokenize(self.vocab, data, len(data), tokens, len(tokens), False, True)
        return list(tokens[:count])

    def detokenize(self, tokens: list[int]) -> str:
        buffer = ctypes.create_string_buffer(16 * len(tokens) + 16)
        given = (llama_cpp.llama_token * len(tokens))(*tokens)
        size = llama_cpp.llama_detokenize(self.vocab, given, len(tokens), buffer, len(buffer), False, True)
        return buffer.raw[:size].decode()

    def logits(self, tokens: list[int], *, exact: bool) -> Logits:
        """Decode the tokens, 64 at a time; `exact` keeps keys and values in float32 (ggml type 0) all the way."""
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = parameters.n_batch = 512
        parameters.n_ubatch = 64
        parameters.n_threads = parameters.n_threads_batch = 1
        if exact:
            parameters.type_k = parameters.type_v = 0
            parameters.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        parameters.swa_full = False
        context = llama_cpp.llama_init_from_model(self.model, parameters)
        batch = llama_cpp.llama_batch_init(len(tokens), 0, 1)
        batch.n_tokens = len(tokens)
        for place, token in enumerate(tokens):
            batch.token[place], batch.pos[place] = token, place
            batch.n_seq_id[place], batch.seq_id[place][0], batch.logits[place] = 1, 0, 1
        assert llama_cpp.llama_decode(context, batch) == 0
        shape = (len(tokens), llama_cpp.llama_vocab_n_tokens(self.vocab))
        logits: Logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits(context), shape).copy()
        llama_cpp.llama_batch_free(batch)
        llama_cpp.llama_free(context)
        return logits

    def close(self) -> None:
        llama_cpp.llama_model_free(self.model)


@pytest.fixture(scope="module")
def model() -> Iterator[LlamaModel]:
    llama_cpp.llama_backend_init()
    loaded = LlamaModel(MODEL)
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def reference() -> Reference:
    with np.load(GOLDEN) as stored:
        return {name: stored[name] for name in stored.files}


def test_llama_cpp_and_the_training_script_agree(model: LlamaModel, reference: Reference) -> None:
    logits = model.logits(reference["tokens"].tolist(), exact=True)
    difference = np.abs(logits[:: int(reference["every"])] - reference["logits"])
    assert difference.mean() < MEAN_TOLERANCE
    assert difference.max() < LARGEST_TOLERANCE
    assert (logits.argmax(-1) == reference["best"]).mean() >= 0.99


def test_flash_attention_and_a_float16_cache_choose_the_same_tokens(model: LlamaModel, reference: Reference) -> None:
    logits = model.logits(reference["tokens"].tolist(), exact=False)
    assert (logits.argmax(-1) == reference["best"]).mean() >= 0.99


def test_the_tolerance_would_show_wrong_arithmetic(reference: Reference) -> None:
    assert len(reference["mutations"]) >= 12
    for mutation, difference in zip(reference["mutations"], reference["differences"], strict=True):
        assert difference > 3 * MEAN_TOLERANCE, mutation


def test_the_reference_crosses_several_windows(reference: Reference) -> None:
    assert len(reference["tokens"]) >= 3 * 64


def test_llama_cpp_tokenizes_as_the_training_script(model: LlamaModel, reference: Reference) -> None:
    text = str(reference["text"])
    assert model.tokenize(text) == reference["tokens"].tolist()
    assert model.detokenize(reference["tokens"].tolist()) == text


@pytest.mark.parametrize(
    "text", ["plain words", " two  spaces ", "Zürich – 3°", "日本語 🙂", "a\n\n\n\nb\n", "x\ty", "{_}#"]
)
def test_any_text_survives_tokenizing(model: LlamaModel, text: str) -> None:
    assert model.detokenize(model.tokenize(text)) == text


def test_generation_ends_at_the_tokens_of_gemma_4(model: LlamaModel) -> None:
    ends = {"<eos>", "<turn|>", "<|tool_response>"}
    found = {token for token in range(1, 24) if llama_cpp.llama_vocab_is_eog(model.vocab, token)}
    assert found == {model.tokenize(text)[0] for text in ends}


def test_the_file_is_a_small_e2b() -> None:
    fields = gguf.GGUFReader(MODEL).fields
    values = {name.removeprefix("gemma4."): field.contents() for name, field in fields.items()}
    assert MODEL.stat().st_size <= 4_000_000
    assert values["general.architecture"] == "gemma4"
    assert values["general.name"] == "g4run demo"
    assert values["general.license"] == "apache-2.0"
    assert values["tokenizer.ggml.model"] == "gemma4"
    assert values["context_length"] == 4096
    assert values["attention.sliding_window"] == 64
    assert values["attention.shared_kv_layers"] == 2
    assert values["attention.sliding_window_pattern"] == [True, False, True, False, True, False]
    assert values["feed_forward_length"] == [256, 256, 256, 256, 512, 512]
    assert values["embedding_length_per_layer_input"] == 32
    assert values["final_logit_softcapping"] == 30.0
    assert values["general.sampling.top_k"] == 64
    assert "output.weight" not in {tensor.name for tensor in gguf.GGUFReader(MODEL).tensors}
