"""Every failure that a person can cause or meet.

    G4RunError              1  500  anything below
    ├── UsageError          2  400  an argument or an input file is not valid
    ├── ModelNotFound       3  404  no such name, no such file
    ├── InvalidModelFile    1  400  a file is there, but is not a model that this engine loads
    ├── DamagedRecord       1  500  what the store wrote about a model cannot be read
    ├── DigestMismatch      1  502  a file's bytes are not the ones that were announced
    ├── DiskFull            1  507  the file system has no room for what was asked
    ├── NotWritable         1  500  a directory or a file cannot be written
    ├── DoesNotFit          4  400  memory, or the context, is too small for what was asked
    ├── NetworkError        5  502  the Hub cannot be reached, or does not answer as it should
    │   ├── AccessDenied    5  403  the Hub wants a token, or a licence accepted
    │   └── Offline         5  503  offline mode is on, and the network would be needed
    ├── LoadFailed          1  500  llama.cpp refused to load the model
    ├── WorkerDied          1  500  the engine's process ended in the middle of its work
    ├── EngineBusy          1  503  as many requests wait as may
    ├── SavedStateRefused   1  400  a saved sequence is damaged, or belongs to another model
    └── Interrupted       130  499  the person stopped it

The columns are exit code and HTTP status. Everything else that is raised is a bug, and escapes.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Pointer:
    """The place in a text that a person typed, `text[start:end]`, that an error is about."""

    text: str
    start: int
    end: int


class G4RunError(Exception):
    """A failure with one sentence for the person, and a hint that can be typed or done.

    `message` is one sentence without a full stop; `hint` names the next step, or is empty; `pointer` shows the place.
    """

    code: ClassVar[str] = "failure"
    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500

    def __init__(self, message: str, hint: str = "", *, pointer: Pointer | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.pointer = pointer


class UsageError(G4RunError):
    """An argument, an option or an input file is not valid."""

    code = "usage"
    exit_code = 2
    http_status = 400


class ModelNotFound(G4RunError):
    """There is no model of that name, and no file at that path."""

    code = "model_not_found"
    exit_code = 3
    http_status = 404


class InvalidModelFile(G4RunError):
    """The file is there, but is not a GGUF file of a model that this engine loads."""

    code = "invalid_model_file"
    http_status = 400


class DamagedRecord(G4RunError):
    """What the store wrote about a model cannot be read, or was written by a newer version."""

    code = "damaged_record"


class DigestMismatch(G4RunError):
    """A file's bytes are not the ones that were announced: its size or its sha256 differs."""

    code = "digest_mismatch"
    http_status = 502


class DiskFull(G4RunError):
    """The file system has no room for what was asked."""

    code = "disk_full"
    http_status = 507


class NotWritable(G4RunError):
    """A directory or a file cannot be written: its permissions, or a read-only file system."""

    code = "not_writable"


class DoesNotFit(G4RunError):
    """Memory, or the context, is too small for what was asked."""

    code = "does_not_fit"
    exit_code = 4
    http_status = 400


class NetworkError(G4RunError):
    """The Hub cannot be reached, or does not answer as it should."""

    code = "network"
    exit_code = 5
    http_status = 502


class AccessDenied(NetworkError):
    """The Hub wants a token, a better one, or a licence accepted."""

    code = "access_denied"
    http_status = 403


class Offline(NetworkError):
    """Offline mode is on, and the network would be needed."""

    code = "offline"
    http_status = 503


class LoadFailed(G4RunError):
    """llama.cpp refused to load the model; the message carries its reason."""

    code = "load_failed"


class WorkerDied(G4RunError):
    """The engine's process ended in the middle of its work."""

    code = "worker_died"


class EngineBusy(G4RunError):
    """As many requests wait for the engine as may."""

    code = "busy"
    http_status = 503


class SavedStateRefused(G4RunError):
    """A saved sequence cannot be used: its file is damaged, is none, or belongs to another model or other settings."""

    code = "saved_state_refused"
    http_status = 400


class Interrupted(G4RunError):
    """The person stopped the work."""

    code = "interrupted"
    exit_code = 130
    http_status = 499
