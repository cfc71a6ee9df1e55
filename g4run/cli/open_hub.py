"""The Hub, opened only by commands that use it."""

from typing import TYPE_CHECKING

from g4run.settings import Settings

if TYPE_CHECKING:
    from g4run.models.hub.client import Hub


def open_hub(settings: Settings) -> "Hub":
    """Open the Hub at the endpoint from the settings."""
    from g4run.models.hub.client import Hub

    return Hub(settings)
