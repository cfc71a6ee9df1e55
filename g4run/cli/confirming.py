"""Asking llama.cpp itself what a plan would take, beside the planner's own figures."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from g4run.hardware.machine import Machine
    from g4run.planner.confirmed_ledger import DeviceDifference
    from g4run.planner.values import Plan

ELSEWHERE: Final = "another machine was asked about"
NOT_HERE: Final = "the model is not on this machine"

_ROUNDING_BYTES: Final = 10_486  # llama.cpp's log has two decimals of a MiB
_FIGURES: Final = 3  # of a device: cache, compute, output


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What came of asking: `differences` has the devices with another figure.

    `not_asked` says why it was not tried, `problem` why there is no answer. `rounding_bytes` is what a difference may
    come from where llama.cpp's figures are read from its log.
    """

    differences: "tuple[DeviceDifference, ...]" = ()
    rounding_bytes: int = 0
    not_asked: str = ""
    problem: str = ""

    @property
    def difference_bytes(self) -> int:
        """All differences together."""
        return sum(abs(difference.more_bytes) for difference in self.differences)


def confirm_plan(plan: "Plan", path: Path, machine: "Machine") -> Confirmation:
    """Ask llama.cpp for its figures of a model that is here, on this machine's devices."""
    from g4run.engine.probe.probe import ProbeFailure, probe_each
    from g4run.planner.confirmed_ledger import confirmed_ledger, find_differences
    from g4run.runtime.loading import load_parameters

    (probed,) = probe_each([load_parameters(os.fsencode(path), plan.settings, machine)])
    if isinstance(probed, ProbeFailure):
        return Confirmation(problem=probed.reason)
    confirmed = confirmed_ledger(plan, machine, probed)
    return Confirmation(
        differences=find_differences(plan.ledger, confirmed),
        rounding_bytes=0 if probed.is_exact else _ROUNDING_BYTES * _FIGURES * len(confirmed.devices),
    )
