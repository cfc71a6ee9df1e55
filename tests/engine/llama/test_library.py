"""Which backends a build has is told by the names of its libraries."""

from pathlib import Path

import pytest

from g4run.engine.llama.library import is_built_for_cpu_alone, library_directory


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("libggml.so", "libggml-base.so", "libggml-cpu.so", "libllama.so", "libmtmd.so.0"), True),
        (("libggml.so", "libggml-base.so.0.25.3", "libggml-cpu-haswell.so", "libggml-cpu-zen4.so"), True),
        (("libggml.so", "libggml-base.so", "libggml-cpu.so", "libggml-cuda.so"), False),
        (("ggml.dll", "ggml-base.dll", "ggml-cpu.dll", "llama.dll"), True),
        (("ggml.dll", "ggml-base.dll", "ggml-cpu.dll", "ggml-vulkan.dll"), False),
        (("libggml-base.dylib", "libggml-cpu.dylib", "libggml-blas.dylib", "libggml-metal.dylib"), False),
        (("libllama.so",), False),
        ((), False),
    ],
)
def test_a_build_for_the_cpu_alone_has_no_other_library(
    names: tuple[str, ...], expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in names:
        (tmp_path / name).touch()
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(tmp_path))
    assert is_built_for_cpu_alone() is expected


def test_a_backend_that_lies_elsewhere_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "libggml-cpu.so").touch()
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(tmp_path))
    monkeypatch.setenv("GGML_BACKEND_PATH", "/somewhere/libggml-vulkan.so")
    assert not is_built_for_cpu_alone()


def test_the_installed_library_is_found() -> None:
    assert any("ggml" in path.name for path in Path(library_directory({})).iterdir())
    assert library_directory({"LLAMA_CPP_LIB_PATH": "/somewhere"}) == "/somewhere"


def test_a_directory_that_is_not_there_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(tmp_path / "nowhere"))
    assert not is_built_for_cpu_alone()
