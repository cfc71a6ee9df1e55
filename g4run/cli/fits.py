"""Whether a model fits this machine's memory, as tables and notes say it."""

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from g4run.units import render_bytes

if TYPE_CHECKING:
    from g4run.hardware.memory import Memory
    from g4run.models.catalog.catalog import Catalog
    from g4run.models.pull.plan import PullPlan
    from g4run.planner.fit import Fit


@cache
def this_memory() -> "Memory":
    """This machine's memory; looked at once a command."""
    from g4run.hardware.memory import inspect_memory

    return inspect_memory()


def find_fit(file_bytes: int, size_label: str) -> "Fit":
    """Whether files of so many bytes together, loaded as a member of the family, fit this machine."""
    from g4run.planner.fit import judge_fit, needed_bytes

    return judge_fit(needed_bytes(file_bytes, size_label), this_memory())


def add_fit_note(plan: "PullPlan", catalog: "Catalog") -> "PullPlan":
    """Add a warning where what is to be pulled will not fit; fetching it is not refused."""
    from g4run.planner.fit import Fit, judge_fit, needed_bytes

    needed = needed_bytes(_loaded_bytes(plan), _size_label(plan, catalog))
    memory = this_memory()
    if judge_fit(needed, memory) is not Fit.NO:
        return plan
    note = f"does not fit this machine's memory: {render_bytes(needed)} of {render_bytes(memory.usable_bytes)}"
    return replace(plan, notes=(*plan.notes, note))


def _loaded_bytes(plan: "PullPlan") -> int:
    """What a chat loads: all but the drafter."""
    from g4run.models.quantizations import FileRole

    return sum(file.size_bytes for file in plan.files if file.role is not FileRole.DRAFTER)


def _size_label(plan: "PullPlan", catalog: "Catalog") -> str:
    """Which member of the family a plan brings, where the catalog knows."""
    for file in plan.files:
        known = catalog.find_file(file.repository, file.path)
        if known is not None:
            return catalog.facts(known.size).label
    return ""
