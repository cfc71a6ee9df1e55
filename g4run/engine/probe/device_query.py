"""The process that `inspect_engine` starts: prints what ggml's backends find, as one line of JSON.

Every command that plans waits for it, so it loads ggml's library alone, without llama.cpp's bindings and numpy (0.2 s),
and none of the modules that would double its 20 ms: importlib.util, json, pathlib, re, typing.
"""

import ctypes
import sys
from collections.abc import Iterator

from g4run.engine.llama import amx, rpc
from g4run.engine.llama.ggml import bind, load_library
from g4run.engine.standard_streams import take_standard_streams

_KINDS = {1: "gpu", 2: "igpu"}  # ggml-backend.h: enum ggml_backend_dev_type; 0 is the CPU, 3 its accelerators


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


def backends_of(library: ctypes.CDLL) -> list[str]:
    """Names of the backends that a loaded library has registered."""
    count = bind(library, "ggml_backend_reg_count", ctypes.c_size_t)
    get = bind(library, "ggml_backend_reg_get", ctypes.c_void_p, ctypes.c_size_t)
    name_of = bind(library, "ggml_backend_reg_name", ctypes.c_char_p, ctypes.c_void_p)
    return [_text(name_of(get(index))) for index in range(count())]


def devices_of(library: ctypes.CDLL) -> Iterator[dict[str, str | int]]:
    """The GPUs that it finds, with the fields of a DeviceReport."""
    count = bind(library, "ggml_backend_dev_count", ctypes.c_size_t)
    get = bind(library, "ggml_backend_dev_get", ctypes.c_void_p, ctypes.c_size_t)
    kind_of = bind(library, "ggml_backend_dev_type", ctypes.c_int, ctypes.c_void_p)
    registry_of = bind(library, "ggml_backend_dev_backend_reg", ctypes.c_void_p, ctypes.c_void_p)
    name_of = bind(library, "ggml_backend_reg_name", ctypes.c_char_p, ctypes.c_void_p)
    describe = bind(library, "ggml_backend_dev_get_props", None, ctypes.c_void_p, ctypes.POINTER(_Properties))
    for device in map(get, range(count())):
        kind, properties = _KINDS.get(kind_of(device)), _Properties()
        if kind is not None:
            describe(device, ctypes.byref(properties))
            yield {
                "name": _text(properties.name),
                "description": _text(properties.description),
                "backend": _text(name_of(registry_of(device))),
                "kind": kind,
                "total_bytes": properties.memory_total,
                "free_bytes": properties.memory_free,
                "pci_address": _text(properties.device_id).lower(),
            }


def _text(value: bytes | None) -> str:
    text = (value or b"").decode("utf-8", "replace")
    return "".join(character for character in text if character.isprintable())


def render_json(value: object) -> str:
    """A value as JSON; all of its text is printable."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{render_json(name)}: {render_json(part)}' for name, part in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(render_json, value))}]"
    if isinstance(value, str):
        return '"' + value.replace("\\", r"\\").replace('"', r"\"") + '"'
    return str(value).lower()


def main(*servers: str) -> None:
    """Print the report, RPC devices included; where there is AMX, print it again once AMX has proved not to crash."""
    _, output = take_standard_streams()
    try:
        library = load_library()
    except OSError as error:
        sys.exit(str(error))
    backends = backends_of(library)
    rpc.add_servers(library, rpc.find_reachable(servers))
    report = {"backends": backends, "devices": list(devices_of(library))}
    with output:
        output.write(f"{render_json(report)}\n".encode())
        output.flush()
        if amx.is_listed(library) and _survives_amx():
            output.write(f"{render_json(report | {'has_amx': True})}\n".encode())


def _survives_amx() -> bool:
    """False, or the end of this process, where AMX is broken; only builds by GCC are."""
    if sys.platform != "linux":
        return True
    from g4run.engine.probe.amx_trial import decodes_rightly  # noqa: PLC0415 - imports the bindings and numpy

    return decodes_rightly()


if __name__ == "__main__":
    main()
