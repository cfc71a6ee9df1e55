"""Loads ggml's library and binds its functions without llama.cpp's bindings, which take 0.2 s to import.

The device query runs this, and imports nothing that takes long: os.path in place of pathlib.
"""

import ctypes
import os
import sys
from collections.abc import Mapping

from g4run.engine.llama.library import library_directory

_SUFFIXES = {"win32": (".dll",), "darwin": (".dylib", ".so")}


def bind(library: ctypes.CDLL, name: str, result: type | None, *arguments: type) -> "ctypes._NamedFuncPointer":
    """Return one of ggml's functions with its types."""
    function = library[name]  # a new object each time, so that other users keep their types
    function.restype, function.argtypes = result, arguments
    return function


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
