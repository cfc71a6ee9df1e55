"""Render a pull's plan and result as text and as JSON."""

from typing import TYPE_CHECKING

from g4run.cli.views.json_values import json_value
from g4run.cli.views.tables import Column, render_paragraph, render_rows, short_commit
from g4run.units import render_bytes

if TYPE_CHECKING:
    from g4run.models.pull.plan import PlannedFile, PullPlan
    from g4run.models.store.store import Record

_COLUMNS = (Column("part"), Column("file", shrinks=True), Column("size", is_number=True), Column("here"))


def file_label(file: "PlannedFile") -> str:
    """Return a file's name without its directory."""
    return file.path.rpartition("/")[2]


def render_plan(plan: "PullPlan", width: int | None) -> str:
    """List the files to download with source and size, and the free space."""
    rows = [
        (f"  {file.role.value}", _place(file, plan), render_bytes(file.size_bytes), _local_state(file))
        for file in plan.files
    ]
    heading = f"{plan.name} from {plan.repository}@{short_commit(plan.commit)}\n"
    notes = "".join(render_paragraph(f"note: {note}", width, "  ") for note in plan.notes)
    return heading + render_rows(_COLUMNS, rows, width) + _render_space(plan) + notes


def plan_value(plan: "PullPlan") -> dict[str, object]:
    """Return a plan as JSON."""
    return {
        **json_value(plan),
        "files": [_file_value(file) for file in plan.files],
        "total_bytes": plan.total_bytes,
        "download_bytes": plan.download_bytes,
        "free_bytes_afterwards": None if plan.free_bytes is None else plan.free_bytes - plan.download_bytes,
    }


def record_value(record: "Record") -> dict[str, object]:
    """Return a pulled model as JSON."""
    return {
        "name": record.name,
        "id": record.id,
        "repository": record.repository,
        "commit": record.commit,
        "size_bytes": record.size_bytes,
        "files": [{"role": file.role.value, "path": str(file.path), "sha256": file.sha256} for file in record.files],
    }


def render_ready(name: str) -> str:
    """Return the last line of a pull, with the next command."""
    return f"{name} is ready: g4run chat {name}\n"


def render_stopped(kept_bytes: int, total_bytes: int) -> str:
    """Say how much of an interrupted download is kept."""
    kept = f"{render_bytes(kept_bytes)} of {render_bytes(total_bytes)} is kept"
    return f"stopped; {kept}, run the same command to resume"


def _place(file: "PlannedFile", plan: "PullPlan") -> str:
    """Return a file's name, with its repository if that is not the plan's."""
    return file_label(file) if file.repository == plan.repository else f"{file.repository}/{file_label(file)}"


def _local_state(file: "PlannedFile") -> str:
    if file.source == "cache":
        return "already in the cache"
    if file.source == "elsewhere":
        return f"found at {file.where}"
    return f"{render_bytes(file.present_bytes)} downloaded" if file.present_bytes else ""


def _render_space(plan: "PullPlan") -> str:
    if not plan.download_bytes:
        return "nothing to download\n"
    needed = f"{render_bytes(plan.download_bytes)} to download to {plan.cache_directory}\n"
    if plan.free_bytes is None:
        return needed
    left = plan.free_bytes - plan.download_bytes
    afterwards = f", {render_bytes(left)} afterwards" if left >= 0 else ": not enough"
    return f"{needed}{render_bytes(plan.free_bytes)} free there{afterwards}\n"


def _file_value(file: "PlannedFile") -> dict[str, object]:
    return {name: value for name, value in json_value(file).items() if name != "reference"}
