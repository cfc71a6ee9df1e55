from pathlib import Path

import pytest

from g4run.engine.log import failure_reason, new_log_path, read_from
from g4run.errors import LoadFailed

WRONG_SHAPE = """\
print_info: file format = GGUF V3 (latest)
llama_model_load: error loading model: check_tensor_dims: tensor 'blk.0.attn_q.weight' has wrong shape; expected 1
llama_model_load_from_file_impl: failed to load model
"""
NO_MEMORY = """\
ggml_aligned_malloc: insufficient memory (attempted to allocate 99999.00 MB)
alloc_tensor_range: failed to allocate CPU buffer of size 104856551424
llama_model_load: error loading model: unable to allocate CPU buffer
"""
ASSERTION = """\
llama_model_load: error loading model: something
/src/llama-kv-cache.cpp:268: GGML_ASSERT(map_layer_ids.find(il) != map_layer_ids.end()) failed
"""
CONTEXT = "llama_init_from_model: failed to initialize the context: failed to allocate buffer for kv cache\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            WRONG_SHAPE,
            "tensor 'blk.0.attn_q.weight' has wrong shape; expected 1",
        ),
        (NO_MEMORY, "unable to allocate CPU buffer"),
        (ASSERTION, "GGML_ASSERT(map_layer_ids.find(il) != map_layer_ids.end()) failed"),
        (CONTEXT, "failed to initialize the context: failed to allocate buffer for kv cache"),
        ("/src/ggml-rpc/ggml-rpc.cpp:569: Remote RPC server crashed\n", "Remote RPC server crashed"),
        ("print_info: all is well\n", ""),
        ("", ""),
    ],
    ids=["shape", "memory", "assertion", "context", "lost server", "no failure", "empty"],
)
def test_the_most_informative_line_is_the_reason(text: str, reason: str) -> None:
    assert failure_reason(text) == reason


def test_a_log_is_read_from_an_offset_and_need_not_be_utf8(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.write_bytes(b"before\n\xff after\n")
    assert read_from(log, 7) == "� after\n"


def test_the_newest_ten_logs_are_kept(tmp_path: Path) -> None:
    paths = []
    for _ in range(13):
        paths.append(new_log_path(tmp_path / "logs"))
    assert len(set(paths)) == 13
    assert sorted((tmp_path / "logs").iterdir()) == sorted(paths)[-10:]


def test_a_missing_log_is_empty(tmp_path: Path) -> None:
    assert read_from(tmp_path / "gone.log") == ""


def test_a_log_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LoadFailed) as caught:
        new_log_path(tmp_path / "file" / "logs")
    assert caught.value.message == f"cannot write the engine's log in {tmp_path}/file/logs: not a directory"
    assert caught.value.hint == "set G4RUN_HOME to a writable directory"
