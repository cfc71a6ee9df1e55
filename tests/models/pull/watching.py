"""An observer of a pull."""

from dataclasses import dataclass, field
from pathlib import Path

from g4run.models.pull.plan import PlannedFile, PullPlan


@dataclass(slots=True)
class Watching:
    """An observer that writes down what it is told."""

    events: list[str] = field(default_factory=list)

    def planned(self, plan: PullPlan) -> None:
        self.events.append("planned")

    def started(self, file: PlannedFile) -> None:
        self.events.append(f"started {file.path}")

    def progressed(self, file: PlannedFile, done_bytes: int) -> None:
        assert 0 <= done_bytes <= file.size_bytes

    def waiting(self, file: PlannedFile) -> None:
        self.events.append(f"waiting {file.path}")

    def verifying(self, file: PlannedFile) -> None:
        self.events.append(f"verifying {file.path}")

    def finished(self, file: PlannedFile, path: Path) -> None:
        self.events.append(f"finished {file.path}")
