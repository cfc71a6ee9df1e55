"""The GPUs that llama.cpp's backends see, asked in a process of its own.

A driver may crash as it starts, take memory for good, or hang: none of that may meet whoever asks. The library is
loaded by itself, without its Python bindings and without numpy, which would take half of the time allowed. AMX is tried
there too, as the engine tries it: what fails is not used.
"""

import ctypes
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from g4run.engine.llama.amx import Ggml, avoid_broken_amx

_PATIENCE_SECONDS: Final = 5.0
_KINDS: Final = {1: "gpu", 2: "igpu"}  # ggml-backend.h: enum ggml_backend_dev_type; 0 is the CPU, 3 its accelerators
_NO_WINDOW: Final = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # Windows would flash one up
_PACKAGE: Final = Path(__file__).parents[2] / "__init__.py"
# As the worker is started (engine/client.py): this very package, and nothing from the current directory.
_REPORT: Final = """
import sys
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("g4run", sys.argv[1])
sys.modules["g4run"] = module_from_spec(spec)
spec.loader.exec_module(sys.modules["g4run"])
from g4run.engine.llama.devices import main
sys.exit(main())
"""
_SUFFIXES: Final = {"win32": (".dll",), "darwin": (".dylib", ".so")}


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """One device as ggml lists it; `backend` is its registry's name, `kind` gpu or igpu.

    `pci_address` is as the kernel writes it (0000:01:00.0), or empty where the backend does not say.
    """

    name: str
    description: str
    backend: str
    kind: str
    total_bytes: int
    free_bytes: int
    pci_address: str = ""


@dataclass(frozen=True, slots=True)
class EngineReport:
    """What the installed llama.cpp was built with, and what that finds here.

    `layouts` are the orders in which the CPU may keep weights besides that of the file: AMX, CPU_REPACK.
    """

    backends: tuple[str, ...] = ()
    devices: tuple[DeviceReport, ...] = ()
    layouts: tuple[str, ...] = ()


def inspect_engine(seconds: float = _PATIENCE_SECONDS) -> EngineReport:
    """Backends and devices; empty where the other process crashes, hangs or has no library to load."""
    command = (sys.executable, "-P", "-c", _REPORT, str(_PACKAGE))
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, creationflags=_NO_WINDOW
        )
    except (OSError, subprocess.TimeoutExpired):
        return EngineReport()
    return parse_report(done.stdout) if done.returncode == 0 else EngineReport()


def parse_report(text: bytes) -> EngineReport:
    """What the other process printed: its last line, since drivers print too. Empty where that is no report."""
    try:
        value = json.loads(text.splitlines()[-1])
        devices = tuple(DeviceReport(**device) for device in value["devices"])
        return EngineReport(tuple(value["backends"]), devices, tuple(value["layouts"]))
    except (IndexError, ValueError, TypeError, KeyError):
        return EngineReport()


class _Properties(ctypes.Structure):
    """struct ggml_backend_dev_props of ggml-backend.h, with room for capabilities that a release may add."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("description", ctypes.c_char_p),
        ("memory_free", ctypes.c_size_t),
        ("memory_total", ctypes.c_size_t),
        ("type", ctypes.c_int),
        ("device_id", ctypes.c_char_p),
        ("capabilities", ctypes.c_bool * 64),
    )


def load_library(environment: Mapping[str, str] = os.environ) -> ctypes.CDLL:
    """ggml's library, where the bindings would look for llama.cpp's. Raises OSError."""
    directory = _library_directory(environment)
    if sys.platform == "win32":
        _add_dll_directories(directory, environment)
    suffixes = _SUFFIXES.get(sys.platform, (".so",))
    names = [f"{prefix}ggml{suffix}" for suffix in suffixes for prefix in ("lib", "")]
    path = next((directory / name for name in names if (directory / name).exists()), None)
    if path is None:
        raise OSError(f"no ggml library in {directory}")
    return ctypes.CDLL(str(path))


def _library_directory(environment: Mapping[str, str]) -> Path:
    """llama_cpp/llama_cpp.py: LLAMA_CPP_LIB_PATH, else `lib` in the package, which is found and not imported."""
    given = environment.get("LLAMA_CPP_LIB_PATH")
    found = None if given else importlib.util.find_spec("llama_cpp")
    if found is not None and found.origin is not None:
        return Path(found.origin).parent / "lib"
    return Path(given or os.devnull)


def _add_dll_directories(directory: Path, environment: Mapping[str, str]) -> None:
    """llama_cpp/_ctypes_extensions.py: where the libraries of CUDA and HIP lie on Windows."""
    if sys.platform == "win32":
        toolkits = [environment[name] for name in ("CUDA_PATH", "HIP_PATH") if environment.get(name)]
        places = [directory, *(Path(kit) / name for kit in toolkits for name in ("bin", "lib"))]
        for place in places:
            if place.is_dir():
                os.add_dll_directory(str(place))


def report_backends(library: ctypes.CDLL) -> EngineReport:
    """What a loaded library has registered and found."""
    library.ggml_backend_load_all()  # backends in files of their own, if it was built so
    library.ggml_backend_reg_get.restype = library.ggml_backend_reg_name.restype = ctypes.c_void_p
    library.ggml_backend_reg_count.restype = library.ggml_backend_dev_count.restype = ctypes.c_size_t
    library.ggml_backend_reg_get.argtypes = library.ggml_backend_dev_get.argtypes = (ctypes.c_size_t,)
    library.ggml_backend_reg_name.argtypes = (ctypes.c_void_p,)
    library.ggml_backend_reg_name.restype = ctypes.c_char_p
    registered = range(library.ggml_backend_reg_count())
    names = (library.ggml_backend_reg_name(library.ggml_backend_reg_get(index)) for index in registered)
    layouts = Ggml(library).layout_names()
    return EngineReport(tuple(_text(name) for name in names), tuple(_devices(library)), layouts)


def _devices(library: ctypes.CDLL) -> Iterator[DeviceReport]:
    library.ggml_backend_dev_get.restype = library.ggml_backend_dev_backend_reg.restype = ctypes.c_void_p
    library.ggml_backend_dev_backend_reg.argtypes = (ctypes.c_void_p,)
    library.ggml_backend_dev_type.argtypes = (ctypes.c_void_p,)
    library.ggml_backend_dev_get_props.argtypes = (ctypes.c_void_p, ctypes.POINTER(_Properties))
    library.ggml_backend_dev_get_props.restype = None
    for index in range(library.ggml_backend_dev_count()):
        device = library.ggml_backend_dev_get(index)
        kind = _KINDS.get(library.ggml_backend_dev_type(device))
        if kind is not None:
            properties = _Properties()
            library.ggml_backend_dev_get_props(device, ctypes.byref(properties))
            backend = library.ggml_backend_reg_name(library.ggml_backend_dev_backend_reg(device))
            yield _report_device(properties, kind, _text(backend))


def _report_device(properties: _Properties, kind: str, backend: str) -> DeviceReport:
    return DeviceReport(
        name=_text(properties.name),
        description=_text(properties.description),
        backend=backend,
        kind=kind,
        total_bytes=properties.memory_total,
        free_bytes=properties.memory_free,
        pci_address=_text(properties.device_id).lower(),
    )


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")


def main() -> int:
    """Print the report as one line of JSON."""
    try:
        library = load_library()
        library.ggml_backend_load_all()
        avoid_broken_amx(library)
        report = report_backends(library)
    except (OSError, AttributeError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps(asdict(report)) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
