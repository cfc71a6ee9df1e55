"""Where the installed llama.cpp's libraries lie, found without importing its bindings, which takes 0.2 s.

It imports nothing that takes long: os.path in place of pathlib.
"""

import os
import sys
from collections.abc import Mapping

_OF_THE_CPU = frozenset({"base", "cpu"})  # libggml-base.so, libggml-cpu.so or libggml-cpu-haswell.so


def library_directory(environment: Mapping[str, str] = os.environ) -> str:
    """llama_cpp/llama_cpp.py: LLAMA_CPP_LIB_PATH, else `lib` in the package."""
    given = environment.get("LLAMA_CPP_LIB_PATH")
    if given:
        return given
    specs = (finder.find_spec("llama_cpp", None) for finder in sys.meta_path)  # as importlib.util.find_spec does
    origin = next((spec.origin for spec in specs if spec is not None), None)
    return os.path.join(os.path.dirname(origin), "lib") if origin else os.devnull


def is_built_for_cpu_alone() -> bool:
    """Whether there are libraries of ggml, and none of another backend: ggml-cuda, ggml-vulkan, ggml-metal, …

    GGML_BACKEND_PATH names one that lies elsewhere (ggml-backend-reg.cpp).
    """
    try:
        names = [name.removeprefix("lib") for name in os.listdir(library_directory())]
    except OSError:
        return False
    backends = {name.split(".")[0].split("-")[1] for name in names if name.startswith("ggml-")}
    return bool(backends) and backends <= _OF_THE_CPU and "GGML_BACKEND_PATH" not in os.environ
