"""llama.cpp's own figures for a plan, beside the planner's."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from g4run.engine.probe.probe import ProbeFailure
from g4run.hardware.machine import Machine
from g4run.planner.confirmed_ledger import DeviceDifference, confirmed_ledger, find_differences
from g4run.planner.values import Plan
from g4run.runtime.loading import load_parameters
from g4run.runtime.probe_cache import confirm_load
from g4run.settings import Settings

ELSEWHERE: Final = "another machine was asked about"
NOT_HERE: Final = "the model is not on this machine"

_ROUNDING_BYTES: Final = 10_486  # llama.cpp's log has two decimals of a MiB
_FIGURES: Final = 3  # of a device: cache, compute, output


@dataclass(frozen=True, slots=True)
class Confirmation:
    """How llama.cpp's figures differ from the planner's; `differences` lists the devices where they do.

    `not_asked` says why llama.cpp was not asked, `problem` why it gave no answer. `rounding_bytes` is how far figures
    may be off that are read from llama.cpp's log.
    """

    differences: tuple[DeviceDifference, ...] = ()
    rounding_bytes: int = 0
    not_asked: str = ""
    problem: str = ""

    @property
    def difference_bytes(self) -> int:
        """All differences together."""
        return sum(abs(difference.more_bytes) for difference in self.differences)


def confirm_plan(
    plan: Plan, path: Path | None, machine: Machine, settings: Settings, *, is_hypothetical: bool
) -> Confirmation:
    """Compare a plan with llama.cpp's figures, which need the model's file and the machine that this runs on."""
    if path is None:
        return Confirmation(not_asked=NOT_HERE)
    if is_hypothetical:
        return Confirmation(not_asked=ELSEWHERE)
    probed = confirm_load(load_parameters(os.fsencode(path), plan.settings, machine), machine, settings)
    if isinstance(probed, ProbeFailure):
        return Confirmation(problem=probed.reason)
    confirmed = confirmed_ledger(plan, machine, probed)
    return Confirmation(
        differences=find_differences(plan.ledger, confirmed),
        rounding_bytes=0 if probed.is_exact else _ROUNDING_BYTES * _FIGURES * len(confirmed.devices),
    )
