"""Read the processor's name and the cards with their memory from the Windows registry.

WMI would take a second, and reports a card's memory in 32 bits.
"""

import ctypes
import re
import sys
from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from g4run.hardware.gpus.gpus import Card, Vendor
from g4run.hardware.instruction_sets import WINDOWS_FEATURES
from g4run.hardware.machine import GpuKind
from g4run.hardware.processors import Processors
from g4run.hardware.system import System

_PROCESSOR: Final = (
    "reg",
    "query",
    r"HKLM\HARDWARE\DESCRIPTION\System\CentralProcessor\0",
    "/v",
    "ProcessorNameString",
)
# Display adapters; each has a key 0000, 0001, …
_ADAPTERS: Final = r"HKLM\SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}"
_VALUES: Final = ("DriverDesc", "HardwareInformation.qwMemorySize")
_SMALL_BYTES: Final = 2 << 30  # integrated graphics have less of their own, and share the rest


def complete_windows_processors(system: System, processors: Processors) -> Processors:
    """Add the name and the instruction sets."""
    found = re.search(r"REG_SZ\s+(.*)", system.run(_PROCESSOR) or "")
    model = " ".join(found[1].split()) if found else processors.model
    return replace(processors, model=model, instruction_sets=_instruction_sets())


def find_windows_cards(system: System) -> tuple[Card, ...]:
    """Return AMD's and Intel's discrete cards; all of their memory counts as free, because its use is unknown."""
    names, sizes = (dict(_registry_values(system, value)) for value in _VALUES)
    cards = []
    for key, name in names.items():
        vendor = next((vendor for vendor in (Vendor.AMD, Vendor.INTEL) if vendor.lower() in name.lower()), None)
        size = int(sizes.get(key, "0x0"), 16)
        if vendor is not None and size > _SMALL_BYTES:
            cards.append(Card(vendor, name, GpuKind.DISCRETE, size, size))
    return tuple(cards)


def _registry_values(system: System, value: str) -> Iterator[tuple[str, str]]:
    """Yield one value of every adapter, with the adapter's key."""
    key = ""
    for line in (system.run(("reg", "query", _ADAPTERS, "/s", "/v", value)) or "").splitlines():
        if line.startswith("HKEY_"):
            key = line.strip()
        elif found := re.match(rf"\s+{re.escape(value)}\s+REG_\w+\s+(.*)", line):
            yield key, found[1].strip()


def _instruction_sets() -> tuple[str, ...]:
    if sys.platform != "win32":
        return ()
    is_present = ctypes.windll.kernel32.IsProcessorFeaturePresent
    return tuple(name for number, name in WINDOWS_FEATURES.items() if is_present(number))
