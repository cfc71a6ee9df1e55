"""Every failure that a person can cause or meet.

    G4RunError              1  500  anything below
    ├── UsageError          2  400  an argument or an input file is not valid
    ├── ModelNotFound       3  404  no such name, no such file
    ├── InvalidModelFile    1  400  a file is there, but is not a model that this engine loads
    ├── DoesNotFit          4  400  memory, or the context, is too small for what was asked
    ├── LoadFailed          1  500  llama.cpp refused to load the model
    ├── WorkerDied          1  500  the engine's process ended in the middle of its work
    └── Interrupted       130  499  the person stopped it

The columns are exit code and HTTP status. Everything else that is raised is a bug, and escapes.
"""

from typing import ClassVar


class G4RunError(Exception):
    """A failure with one sentence for the person, and a hint that can be typed or done.

    `message` is one sentence without a full stop; `hint` names the next step, or is empty.
    """

    code: ClassVar[str] = "failure"
    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


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


class DoesNotFit(G4RunError):
    """Memory, or the context, is too small for what was asked."""

    code = "does_not_fit"
    exit_code = 4
    http_status = 400


class LoadFailed(G4RunError):
    """llama.cpp refused to load the model; the message carries its reason."""

    code = "load_failed"


class WorkerDied(G4RunError):
    """The engine's process ended in the middle of its work."""

    code = "worker_died"


class Interrupted(G4RunError):
    """The person stopped the work."""

    code = "interrupted"
    exit_code = 130
    http_status = 499
