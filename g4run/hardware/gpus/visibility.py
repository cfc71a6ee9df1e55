"""Apply the variables that hide cards, such as CUDA_VISIBLE_DEVICES.

An installed backend applies its own variable, so a card that it does not list is hidden. The variables of other
backends are applied here, so that no advice is given to install a backend for a hidden card.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from g4run.hardware.gpus.gpus import Card, FoundGpu, Vendor

# Vendor -> its own backend, and the variables that select among its cards; the first that is set counts.
_VARIABLES: Final = {
    Vendor.NVIDIA: ("CUDA", ("CUDA_VISIBLE_DEVICES",)),
    Vendor.AMD: ("ROCm", ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL")),
    Vendor.INTEL: ("SYCL", ()),
    Vendor.APPLE: ("Metal", ()),
}
# Backend -> its variable, which selects among all vendors' cards.
_OF_ALL_VENDORS: Final = {"Vulkan": "GGML_VK_VISIBLE_DEVICES"}


def choose_cards(cards: Sequence[Card], environment: Mapping[str, str], backends: Sequence[str]) -> tuple[Card, ...]:
    """Return the cards that no variable of an absent backend hides."""
    chosen: list[Card] = []
    for vendor, (backend, names) in _VARIABLES.items():
        own = [card for card in cards if card.vendor is vendor]
        variable = _first_set(environment, names)
        chosen += own if variable is None or backend in backends else select_cards(own, variable)
    return tuple(chosen)


def drop_hidden(found: Sequence[FoundGpu], environment: Mapping[str, str], backends: Sequence[str]) -> list[FoundGpu]:
    """Return the GPUs without those that a variable hides from an installed backend."""
    return [one for one in found if not _is_hidden(one, environment, backends)]


def select_cards(cards: Sequence[Card], variable: str) -> Sequence[Card]:
    """Select cards by number or by the start of their UUID; an unknown one ends the list, as in CUDA."""
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
