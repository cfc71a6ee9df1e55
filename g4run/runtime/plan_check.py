"""Compare a plan with llama.cpp's own figures."""

import os
from pathlib import Path
from typing import Final

import msgspec

from g4run.engine.probe.probe import ProbeFailure
from g4run.hardware.machine import Machine
from g4run.planner.confirmed_ledger import DeviceDifference, confirmed_ledger, find_differences
from g4run.planner.values import Plan
from g4run.runtime.loading import load_parameters
from g4run.runtime.probe_cache import confirm_load
from g4run.settings import Settings

OTHER_MACHINE: Final = "the plan is for another machine"
NOT_INSTALLED: Final = "the model is not on this machine"

_ROUNDING_BYTES: Final = 10_486  # llama.cpp's log has two decimals of a MiB
_FIGURES: Final = 3  # of a device: cache, compute, output


class Confirmation(msgspec.Struct, frozen=True):
    """How llama.cpp's figures differ from the planner's, by device.

    `not_asked` says why llama.cpp was not asked, `problem` why it failed. `rounding_bytes` is the possible error of
    figures from llama.cpp's log.
    """

    differences: tuple[DeviceDifference, ...] = ()
    rounding_bytes: int = 0
    not_asked: str = ""
    problem: str = ""

    @property
    def difference_bytes(self) -> int:
        """The sum of all differences."""
        return sum(abs(difference.more_bytes) for difference in self.differences)


def confirm_plan(
    plan: Plan, path: Path | None, machine: Machine, settings: Settings, *, is_hypothetical: bool
) -> Confirmation:
    """Compare a plan with llama.cpp's figures; these need the model's file and this very machine."""
    if path is None:
        return Confirmation(not_asked=NOT_INSTALLED)
    if is_hypothetical:
        return Confirmation(not_asked=OTHER_MACHINE)
    probed = confirm_load(load_parameters(os.fsencode(path), plan.settings, machine), machine, settings)
    if isinstance(probed, ProbeFailure):
        return Confirmation(problem=probed.reason)
    confirmed = confirmed_ledger(plan, machine, probed)
    return Confirmation(
        differences=find_differences(plan.ledger, confirmed),
        rounding_bytes=0 if probed.is_exact else _ROUNDING_BYTES * _FIGURES * len(confirmed.devices),
    )
