"""The file that a name means on this machine: one answer for `show`, `list`, `plan`, `pull`, `run`, and `chat`."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from g4run.models.library import Library, ModelFile
from g4run.models.pull.target import PullRequest, open_size

if TYPE_CHECKING:
    from g4run.runtime.choose_file import MeasuredMachine, QuantizationChoice


def settle_name(
    library: Library, typed: str, find_machine: "Callable[[], MeasuredMachine | None] | None" = None
) -> "tuple[str, QuantizationChoice | None]":
    """Return the full name of what a typed name means, and the choice if there was one to make.

    Only the name of a size that is not in the store leaves something open. It means the file that suits the machine; on
    an unknown machine, the catalog's default. By default, the machine is this one.
    """
    size = open_size(library, PullRequest(typed))
    if size is None:
        return typed, None
    # 50 ms with the planner, which other names do not need
    from g4run.runtime.choose_file import choose_quantization, inspect_measured_machine  # noqa: PLC0415

    known = inspect_measured_machine(library.settings) if find_machine is None else find_machine()
    choice = None if known is None else choose_quantization(library.catalog, known, size)
    return (typed, None) if choice is None else (choice.file.name, choice)


def resolve_model(
    library: Library, typed: str, find_machine: "Callable[[], MeasuredMachine | None] | None" = None
) -> ModelFile:
    """Find, read, and check the files of a name on this machine. Raises as `Library.resolve`."""
    name, choice = settle_name(library, typed, find_machine)
    is_here = choice is not None and library.find_place(choice.file.repository, choice.file.path) is not None
    return library.resolve(name if is_here else typed)
