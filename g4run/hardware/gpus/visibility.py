"""Which cards the environment leaves to a program: CUDA_VISIBLE_DEVICES and its like.

A backend that is there has heeded its variable, so what it does not list is hidden. Where it is not there, the
variable is read here, so that nobody is advised to install a backend for a card that is hidden anyway.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from g4run.hardware.gpus.gpus import Card, FoundGpu, Vendor

# Vendor -> its own backend, and the variables that choose among its cards, the first that is set counting.
_VARIABLES: Final = {
    Vendor.NVIDIA: ("CUDA", ("CUDA_VISIBLE_DEVICES",)),
    Vendor.AMD: ("ROCm", ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL")),
    Vendor.INTEL: ("SYCL", ()),
    Vendor.APPLE: ("Metal", ()),
}
# Variables that choose among all vendors' cards, of the backend that heeds them.
_OF_ALL_VENDORS: Final = {"Vulkan": "GGML_VK_VISIBLE_DEVICES"}


def choose_cards(cards: Sequence[Card], environment: Mapping[str, str], backends: Sequence[str]) -> tuple[Card, ...]:
    """The cards without those that a variable hides of which no backend here could have told."""
    chosen: list[Card] = []
    for vendor, (backend, names) in _VARIABLES.items():
        own = [card for card in cards if card.vendor is vendor]
        variable = _first_set(environment, names)
        chosen += own if variable is None or backend in backends else select_cards(own, variable)
    return tuple(chosen)


def drop_hidden(found: Sequence[FoundGpu], environment: Mapping[str, str], backends: Sequence[str]) -> list[FoundGpu]:
    """What was found without the cards that a backend here does not list because it was told not to."""
    return [one for one in found if not _is_hidden(one, environment, backends)]


def select_cards(cards: Sequence[Card], variable: str) -> Sequence[Card]:
    """Cards by number or by the beginning of their UUID; what is no card ends the list, as CUDA has it."""
    selected: list[Card] = []
    for item in (part.strip() for part in variable.split(",")):
        card = _find(cards, item)
        if card is None:
            break
        selected.append(card)
    return selected


def _find(cards: Sequence[Card], item: str) -> Card | None:
    if item.isdigit():
        return cards[int(item)] if int(item) < len(cards) else None
    return next((card for card in cards if item and card.identifier.startswith(item)), None)


def _is_hidden(one: FoundGpu, environment: Mapping[str, str], backends: Sequence[str]) -> bool:
    if one.gpu.backend is not None or one.card is None:
        return False
    backend, names = _VARIABLES[one.card.vendor]
    if backend in backends and (one.card.is_slice or _first_set(environment, names) is not None):
        return True
    return any(name in backends and variable in environment for name, variable in _OF_ALL_VENDORS.items())


def _first_set(environment: Mapping[str, str], names: Sequence[str]) -> str | None:
    return next((environment[name] for name in names if name in environment), None)
