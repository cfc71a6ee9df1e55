"""Every failure that users can cause or meet.

    G4RunError              1  500  anything below
    ├── UsageError          2  400  an argument or an input file is not valid
    ├── ModelNotFound       3  404  no such name, no such file
    ├── InvalidModelFile    1  400  the file exists, but the engine cannot load it
    ├── DamagedRecord       1  500  the store's record of a model cannot be read
    ├── DigestMismatch      1  502  a file's size or sha256 is not the expected one
    ├── DiskFull            1  507  the file system has no room left
    ├── NotWritable         1  500  a directory or a file cannot be written
    ├── DoesNotFit          4  400  the memory or the context is too small
    ├── NetworkError        5  502  the Hub cannot be reached, or its response is not valid
    │   ├── AccessDenied    5  403  the Hub requires a token or an accepted license
    │   └── Offline         5  503  offline mode is on, but the network is needed
    ├── LoadFailed          1  500  llama.cpp refused to load the model
    ├── WorkerDied          1  500  the engine's process died while it was working
    ├── EngineBusy          1  503  the engine's queue is full
    ├── SavedStateRefused   1  400  a saved sequence is damaged, or belongs to another model
    └── Interrupted       130  499  the user stopped it

The columns are the exit code and the HTTP status. Any other exception is a bug and is not caught.
"""

from typing import ClassVar, NamedTuple


class Pointer(NamedTuple):
    """The part of the user's input, `text[start:end]`, that an error is about."""

    text: str
    start: int
    end: int


class G4RunError(Exception):
    """A failure with a one-sentence message and a hint to follow.

    `message` is one sentence without a period; `hint` names the next step, or is empty; `pointer` marks the place.
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
    """The file exists, but is not a GGUF file that the engine can load."""

    code = "invalid_model_file"
    http_status = 400


class DamagedRecord(G4RunError):
    """The store's record of a model cannot be read, or was written by a newer version."""

    code = "damaged_record"


class DigestMismatch(G4RunError):
    """A file's size or sha256 is not the one that the Hub or the catalog announced."""

    code = "digest_mismatch"
    http_status = 502


class DiskFull(G4RunError):
    """The file system has no room left."""

    code = "disk_full"
    http_status = 507


class NotWritable(G4RunError):
    """A file or directory cannot be written, because of its permissions or a read-only file system."""

    code = "not_writable"


class DoesNotFit(G4RunError):
    """The memory or the context is too small."""

    code = "does_not_fit"
    exit_code = 4
    http_status = 400


class NetworkError(G4RunError):
    """The Hub cannot be reached, or its response is not valid."""

    code = "network"
    exit_code = 5
    http_status = 502


class AccessDenied(NetworkError):
    """The Hub requires a token, a token with more rights, or an accepted license."""

    code = "access_denied"
    http_status = 403


class Offline(NetworkError):
    """Offline mode is on, but the network is needed."""

    code = "offline"
    http_status = 503


class LoadFailed(G4RunError):
    """llama.cpp refused to load the model; the message gives its reason."""

    code = "load_failed"


class WorkerDied(G4RunError):
    """The engine's process died while it was working."""

    code = "worker_died"


class EngineBusy(G4RunError):
    """The engine's queue is full."""

    code = "busy"
    http_status = 503


class SavedStateRefused(G4RunError):
    """A saved sequence is damaged, or belongs to another model or other settings."""

    code = "saved_state_refused"
    http_status = 400


class Interrupted(G4RunError):
    """The user stopped the work."""

    code = "interrupted"
    exit_code = 130
    http_status = 499
