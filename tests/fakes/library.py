"""The files of a name, found with this process's settings."""

from g4run.models.library import Library, ModelFile
from g4run.settings import read_settings


def resolve(name: str) -> ModelFile:
    """Find, read, and check the files of a name."""
    return Library(read_settings()).resolve(name)
