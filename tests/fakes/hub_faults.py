"""What can go wrong between a client and the local Hub, each limited to a stage, a file and a number of times."""

import threading
from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import fnmatchcase


class Stage(StrEnum):
    """The three kinds of request."""

    API = "api"
    RESOLVE = "resolve"
    CDN = "cdn"


class FaultKind(StrEnum):
    """What goes wrong, and what a fault's `value` means for it."""

    STATUS = "status"  # this HTTP status
    DROP = "drop"  # the connection closes without an answer
    PORTAL = "portal"  # 200 and a login page instead of the answer
    REDIRECT_LOOP = "redirect-loop"  # a redirect to the same address
    HANG = "hang"  # no answer for so many seconds (0: until the server ends)
    IGNORE_RANGE = "ignore-range"  # 200 and the whole file
    SHIFT_RANGE = "shift-range"  # bytes, and Content-Range, so many bytes later than asked for
    SHIFT_BODY = "shift-body"  # the same, but Content-Range says what was asked for
    CHANGE_ETAG = "change-etag"  # another ETag, as if the file had changed
    SHORT_LENGTH = "short-length"  # Content-Length so many bytes too small, and no more is sent
    LONG_LENGTH = "long-length"  # Content-Length so many bytes too large
    FLIP = "flip"  # the byte at this offset of the file has its lowest bit flipped
    RESET = "reset"  # a TCP reset after so many bytes of the body
    CLOSE = "close"  # an orderly close after so many bytes of the body
    STALL = "stall"  # after so many bytes of the body nothing more, the connection stays open


BEFORE_ANSWER = frozenset({FaultKind.STATUS, FaultKind.DROP, FaultKind.PORTAL, FaultKind.REDIRECT_LOOP, FaultKind.HANG})
OF_RANGE = frozenset({FaultKind.IGNORE_RANGE, FaultKind.SHIFT_RANGE, FaultKind.SHIFT_BODY, FaultKind.CHANGE_ETAG})
OF_BODY = frozenset(FaultKind) - BEFORE_ANSWER - OF_RANGE
_AFTER_BYTES = frozenset({FaultKind.RESET, FaultKind.CLOSE, FaultKind.STALL})


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong `times` times (None: always), after `skip` requests that it could have met.

    `path` is a pattern for "USER/REPOSITORY/file" (for the API: "USER/REPOSITORY"); `stage` None means any.
    """

    kind: FaultKind
    value: int = 0
    stage: Stage | None = None
    path: str = "*"
    times: int | None = 1
    skip: int = 0
    method: str | None = None
    retry_after: int | None = None  # seconds, for STATUS

    def is_about(self, stage: Stage, method: str, path: str) -> bool:
        is_stage = self.stage in (None, stage)
        return is_stage and self.method in (None, method) and fnmatchcase(path.lower(), self.path.lower())

    def meets_body(self, start: int, length: int) -> bool:
        """Whether it can happen within these bytes of the file."""
        if self.kind is FaultKind.FLIP:
            return start <= self.value < start + length
        return self.kind not in _AFTER_BYTES or self.value < length


class Faults:
    """The faults that are still to happen; safe for many threads."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    @property
    def remaining(self) -> tuple[Fault, ...]:
        with self._lock:
            return tuple(self._faults)

    def take(
        self,
        kinds: frozenset[FaultKind],
        stage: Stage,
        method: str,
        path: str,
        body: tuple[int, int] | None = None,
    ) -> tuple[Fault, ...]:
        """The faults of these kinds that meet this request; each is counted down, and of each kind one is taken."""
        taken: dict[FaultKind, Fault] = {}
        with self._lock:
            for index, fault in enumerate(self._faults):
                if fault.kind not in kinds or fault.kind in taken or not fault.is_about(stage, method, path):
                    continue
                if body is not None and not fault.meets_body(*body):
                    continue
                if fault.skip:
                    self._faults[index] = replace(fault, skip=fault.skip - 1)
                    continue
                taken[fault.kind] = fault
                if fault.times is not None:
                    self._faults[index] = replace(fault, times=fault.times - 1)
            self._faults = [fault for fault in self._faults if fault.times != 0]
        return tuple(taken.values())


def parse_fault(text: str) -> Fault:
    """A fault of the command line: KIND[:name=value,…], as in `status:value=503,stage=cdn,times=2`.

    Raises ValueError.
    """
    kind, _, rest = text.partition(":")
    fault = Fault(FaultKind(kind), times=None)
    for part in filter(None, rest.split(",")):
        name, _, value = part.partition("=")
        fault = _with_option(fault, name, value)
    return fault


def _with_option(fault: Fault, name: str, value: str) -> Fault:
    match name:
        case "value":
            return replace(fault, value=int(value))
        case "stage":
            return replace(fault, stage=Stage(value))
        case "path":
            return replace(fault, path=value)
        case "times":
            return replace(fault, times=int(value))
        case "skip":
            return replace(fault, skip=int(value))
        case "method":
            return replace(fault, method=value)
        case "retry_after":
            return replace(fault, retry_after=int(value))
    raise ValueError(f"no option of a fault: {name}")
