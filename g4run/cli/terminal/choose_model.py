"""Choose a model for `g4run chat` without a name: an installed one, a download, or the built-in demo."""

from typing import TYPE_CHECKING, TextIO

from g4run.cli.output import Stream
from g4run.units import render_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from g4run.models.catalog.catalog import Catalog
    from g4run.models.catalog.values import CatalogFile
    from g4run.models.library import Library, ModelFile
    from g4run.models.pull.target import PullRequest
    from g4run.models.store.store import Record
    from g4run.planner.recommend.goals import RecommendRequest
    from g4run.runtime.choose_file import MeasuredMachine

_ANSWERS = {"": True, "y": True, "yes": True, "n": False, "no": False}


def choose_chat_model(
    library: "Library",
    known: "MeasuredMachine | None",
    request: "RecommendRequest",
    notes: Stream,
    answers: TextIO | None,
    fetch: "Callable[[PullRequest], Record]",
) -> "ModelFile":
    """Return the best installed model that fits, else a download that the user agrees to, else the demo.

    `known` is the machine, None if it cannot be inspected. `answers` is the terminal's input, None in a pipe. `fetch`
    pulls a model.
    """
    from g4run.models.library import DEMO_PATH, open_file, open_record
    from g4run.models.names.types import DEMO
    from g4run.runtime.choose_file import choose_model, find_complete

    records = find_complete(library.store.records())
    choice = choose_model(library.catalog, records, known, request)
    better = choice.better
    if choice.installed is not None:
        if better is not None:
            notes.write(f"clearly better on this machine: g4run pull {better.name}\n")
        return open_record(choice.installed)
    if records:
        notes.write("no installed model fits in the memory that is free now\n")
    can_pull = known is not None and not library.settings.is_offline
    if better is not None and answers is not None and can_pull and _wants(better, library.catalog, notes, answers):
        from g4run.runtime.pull import request_for

        return open_record(fetch(request_for(library, better)))
    notes.write(render_demo(better))
    return open_file(DEMO, DEMO_PATH)


def _wants(file: "CatalogFile", catalog: "Catalog", notes: Stream, answers: TextIO) -> bool:
    """Ask whether to download a file, until the answer is yes or no; Ctrl-D is no."""
    notes.write(render_offer(file, catalog))
    while True:
        line = _ask("Download it now? [Y/n] ", answers, notes)
        answer = _ANSWERS.get(line.strip().lower()) if line else False
        if answer is not None:
            return answer


def _ask(question: str, answers: TextIO, notes: Stream) -> str:
    """Read a line, empty after Ctrl-D, and leave the cursor on a new line, also after Ctrl-C."""
    line = ""
    try:
        notes.write(question)
        line = answers.readline()
    finally:
        if not line.endswith("\n"):
            notes.write("\n")
    return line


def render_offer(file: "CatalogFile", catalog: "Catalog") -> str:
    """Name the model that suits this machine best, and the size of the download."""
    size_bytes, is_exact = _fetched_bytes(file)
    about = "" if is_exact else "about "
    return (
        f"Gemma 4 {catalog.facts(file.size).label} in {file.quantization} suits this machine best "
        f"({about}{render_bytes(size_bytes)} download).\n"
    )


def render_demo(better: "CatalogFile | None") -> str:
    """Say that the demo answers, and how to get a real model."""
    if better is None:
        return "using the built-in demo: no other model fits now; g4run recommend says why\n"
    return f"using the built-in demo; for a real model: g4run pull {better.name}\n"


def _fetched_bytes(file: "CatalogFile") -> tuple[int, bool]:
    """Return the size of the download with its projector, and whether it is exact."""
    projector = file.projector
    if projector is None:
        return file.size_bytes, file.size_is_exact
    return file.size_bytes + (projector.size_bytes or 0), file.size_is_exact and projector.size_is_exact
