"""The Hub, opened only by a command that asks it."""

from typing import TYPE_CHECKING

from g4run.settings import Settings

if TYPE_CHECKING:
    from g4run.models.hub.client import Hub


def open_hub(settings: Settings) -> "Hub":
    """Open the Hub at the endpoint of the settings."""
    from g4run.models.hub.client import Hub

    return Hub(settings)
