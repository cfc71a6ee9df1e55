"""Which model `g4run chat` talks to where none is named: what is here, what is fetched, or the built-in one."""

from typing import TYPE_CHECKING, TextIO

from g4run.cli.output import Stream
from g4run.units import render_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from g4run.models.catalog.catalog import Catalog, CatalogFile
    from g4run.models.library import Library, ModelFile
    from g4run.models.pull.target import PullRequest
    from g4run.models.store.store import Record
    from g4run.planner.recommend.goals import RecommendRequest
    from g4run.runtime.choose_file import MeasuredMachine

_ANSWERS = {"": True, "y": True, "yes": True, "n": False, "no": False}


class Choosing:
    """One choice.

    `known` is the machine, None where it cannot be looked at; `answers` is where a person types, None where nobody
    can be asked; `fetch` pulls.
    """

    def __init__(
        self,
        library: "Library",
        known: "MeasuredMachine | None",
        notes: Stream,
        answers: TextIO | None,
        fetch: "Callable[[PullRequest], Record]",
    ) -> None:
        self._library = library
        self._known = known
        self._notes = notes
        self._answers = answers
        self._fetch = fetch

    def run(self, request: "RecommendRequest") -> "ModelFile":
        """The most useful model that is here and fits, else one that the person lets us fetch, else the demo."""
        from g4run.models.library import open_record
        from g4run.runtime.choose_file import choose_for_chat

        choice = choose_for_chat(self._library, self._known, request)
        if choice.here is not None:
            self._notes.write(render_better(choice.better))
            return open_record(choice.here)
        if choice.nothing_fits:
            self._notes.write("no model that is here fits in the memory that is free now\n")
        if choice.better is not None and self._is_wanted(choice.better):
            from g4run.runtime.pull import request_for

            return open_record(self._fetch(request_for(self._library, choice.better)))
        return self._demo(choice.better)

    def _is_wanted(self, file: "CatalogFile") -> bool:
        """Ask whether to fetch a file; no, without anybody to ask, a known machine, or leave to use the network."""
        if self._answers is None or self._known is None or self._library.settings.is_offline:
            return False
        self._notes.write(render_offer(file, self._library.catalog))
        while True:
            line = _ask("Fetch it now? [Y/n] ", self._answers, self._notes)
            answer = _ANSWERS.get(line.strip().lower()) if line else False
            if answer is not None:
                return answer

    def _demo(self, better: "CatalogFile | None") -> "ModelFile":
        from g4run.models.library import DEMO_PATH, open_file
        from g4run.models.names.parse import DEMO

        self._notes.write(render_demo(better))
        return open_file(DEMO, DEMO_PATH)


def _ask(question: str, answers: TextIO, notes: Stream) -> str:
    """The line that is typed, empty for Ctrl-D; the cursor then stands on a new line, after Ctrl-C too."""
    line = ""
    try:
        notes.write(question)
        line = answers.readline()
    finally:
        if not line.endswith("\n"):
            notes.write("\n")
    return line


def render_offer(file: "CatalogFile", catalog: "Catalog") -> str:
    """What suits this machine best, and how much that is to fetch."""
    size_bytes, is_exact = _fetched_bytes(file)
    about = "" if is_exact else "about "
    return (
        f"Gemma 4 {catalog.facts(file.size).label} in {file.quantization} suits this machine best "
        f"({about}{render_bytes(size_bytes)} to fetch).\n"
    )


def render_better(better: "CatalogFile | None") -> str:
    """What would do clearly better than what is here; empty where nothing would."""
    return "" if better is None else f"clearly better on this machine: g4run pull {better.name}\n"


def render_demo(better: "CatalogFile | None") -> str:
    """That the built-in model answers, and what to type for another."""
    if better is None:
        return "the built-in demo answers: nothing else fits now, g4run recommend says why\n"
    return f"the built-in demo answers; a real model: g4run pull {better.name}\n"


def _fetched_bytes(file: "CatalogFile") -> tuple[int, bool]:
    """What a pull of a file fetches, its projector included, and whether the catalog is certain of it."""
    projector = file.projector
    if projector is None:
        return file.size_bytes, file.size_is_exact
    return file.size_bytes + (projector.size_bytes or 0), file.size_is_exact and projector.size_is_exact
