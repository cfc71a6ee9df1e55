"""A pull's plan and its end, for a person and for a program."""

from typing import TYPE_CHECKING

from g4run.cli.views.errors import error_value
from g4run.cli.views.tables import Column, render_paragraph, render_rows
from g4run.units import render_bytes

if TYPE_CHECKING:
    from g4run.models.pull.plan import PlannedFile, PullPlan
    from g4run.models.store.store import Record

_COLUMNS = (Column("part"), Column("file", gives_way=True), Column("size", is_number=True), Column("here"))
_SHORT_COMMIT = 8  # digits, as the Hub's pages show it


def file_label(file: "PlannedFile") -> str:
    """A file's name without the directories it lies in."""
    return file.path.rpartition("/")[2]


def render_plan(plan: "PullPlan", width: int | None) -> str:
    """What will be fetched, from where, how large, and what that leaves free."""
    rows = [
        (f"  {file.role.value}", _place(file, plan), render_bytes(file.size_bytes), _what_is_here(file))
        for file in plan.files
    ]
    heading = f"{plan.name} from {plan.repository}@{plan.commit[:_SHORT_COMMIT]}\n"
    notes = "".join(render_paragraph(f"note: {note}", width, "  ") for note in plan.notes)
    return heading + render_rows(_COLUMNS, rows, width) + _render_space(plan) + notes


def render_refusal(plan: "PullPlan") -> str:
    """What keeps a plan from being carried out; empty where nothing does."""
    if plan.refusal is None:
        return ""
    return f"would be refused: {plan.refusal.message}\nHint: {plan.refusal.hint}\n"


def plan_value(plan: "PullPlan") -> dict[str, object]:
    """A plan as a program reads it."""
    return {
        "name": plan.name,
        "repository": plan.repository,
        "commit": plan.commit,
        "requested_revision": plan.requested_revision,
        "quantization": plan.quantization,
        "files": [_file_value(file) for file in plan.files],
        "total_bytes": plan.total_bytes,
        "download_bytes": plan.download_bytes,
        "free_bytes": plan.free_bytes,
        "free_bytes_afterwards": None if plan.free_bytes is None else plan.free_bytes - plan.download_bytes,
        "cache_directory": str(plan.cache_directory),
        "notes": list(plan.notes),
        "refusal": None if plan.refusal is None else error_value(plan.refusal)["error"],
    }


def record_value(record: "Record") -> dict[str, object]:
    """What a finished pull left, as a program reads it."""
    return {
        "name": record.name,
        "id": record.id,
        "repository": record.repository,
        "commit": record.commit,
        "size_bytes": record.size_bytes,
        "files": [{"role": file.role.value, "path": str(file.path), "sha256": file.sha256} for file in record.files],
    }


def render_ready(name: str) -> str:
    """The last line of a pull: what to type next."""
    return f"{name} is ready: g4run chat {name}\n"


def render_stopped(kept_bytes: int, total_bytes: int) -> str:
    """What a person who pressed Ctrl-C has."""
    kept = f"{render_bytes(kept_bytes)} of {render_bytes(total_bytes)} are kept"
    return f"stopped; {kept}, the same command goes on from there"


def _place(file: "PlannedFile", plan: "PullPlan") -> str:
    """A file's name, and where it comes from another repository, that too."""
    return file_label(file) if file.repository == plan.repository else f"{file.repository}/{file_label(file)}"


def _what_is_here(file: "PlannedFile") -> str:
    if file.source == "cache":
        return "already in the cache"
    if file.source == "elsewhere":
        return f"already here: {file.where}"
    return f"{render_bytes(file.present_bytes)} are here" if file.present_bytes else ""


def _render_space(plan: "PullPlan") -> str:
    if not plan.download_bytes:
        return "nothing to fetch\n"
    needed = f"{render_bytes(plan.download_bytes)} to fetch into {plan.cache_directory}\n"
    if plan.free_bytes is None:
        return needed
    left = plan.free_bytes - plan.download_bytes
    afterwards = f", {render_bytes(left)} afterwards" if left >= 0 else ": too little"
    return f"{needed}{render_bytes(plan.free_bytes)} are free there{afterwards}\n"


def _file_value(file: "PlannedFile") -> dict[str, object]:
    return {
        "role": file.role.value,
        "repository": file.repository,
        "commit": file.commit,
        "path": file.path,
        "size_bytes": file.size_bytes,
        "sha256": file.sha256,
        "present_bytes": file.present_bytes,
        "source": file.source,
        "where": None if file.where is None else str(file.where),
    }
