"""Where the installed llama.cpp's libraries lie, found without importing its bindings, which takes 0.2 s.

The device query runs this too, and imports nothing that takes long: os.path in place of pathlib.
"""

import ctypes
import os
import sys
from collections.abc import Mapping

_SUFFIXES = {"win32": (".dll",), "darwin": (".dylib", ".so")}
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


def load_library(environment: Mapping[str, str] = os.environ) -> ctypes.CDLL:
    """ggml's library with all its backends, from where the bindings would load llama.cpp's. Raises OSError."""
    directory = library_directory(environment)
    if sys.platform == "win32":
        _add_dll_directories(directory, environment)
    suffixes = _SUFFIXES.get(sys.platform, (".so",))
    names = [f"{prefix}ggml{suffix}" for suffix in suffixes for prefix in ("lib", "")]
    paths = [os.path.join(directory, name) for name in names]
    path = next((path for path in paths if os.path.exists(path)), None)
    if path is None:
        raise OSError(f"no ggml library in {directory}")
    library = ctypes.CDLL(path)
    library.ggml_backend_load_all()  # backends in files of their own, if it was built so
    return library


def _add_dll_directories(directory: str, environment: Mapping[str, str]) -> None:
    """llama_cpp/_ctypes_extensions.py: where the libraries of CUDA and HIP lie on Windows."""
    if sys.platform == "win32":
        toolkits = [environment[name] for name in ("CUDA_PATH", "HIP_PATH") if environment.get(name)]
        places = [directory, *(os.path.join(kit, name) for kit in toolkits for name in ("bin", "lib"))]
        for place in filter(os.path.isdir, places):
            os.add_dll_directory(place)
