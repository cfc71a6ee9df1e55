"""A request in progress: its scheduler entry, its sampler, and the statistics reported when it ends."""

import time
from dataclasses import dataclass

from g4run.engine.protocol import Finished, Submit
from g4run.engine.sampling.sampler import Sampler
from g4run.engine.worker.request import Request


@dataclass(slots=True)
class ActiveRequest:
    """The generator's state of one request; times are seconds of the monotonic clock."""

    submit: Submit
    request: Request
    sampler: Sampler
    started: float = 0.0
    first_token: float = 0.0
    last_token: float = 0.0
    drafted: int = 0
    accepted: int = 0

    def note_token(self) -> None:
        """Record the time of a drawn token."""
        self.last_token = time.monotonic()
        self.first_token = self.first_token or self.last_token

    def finished_report(self, reason: str, draft_gain: float) -> Finished:
        """Return the final report."""
        request, has_tokens = self.request, self.first_token > 0
        return Finished(
            request_id=request.request_id,
            sequence_id=request.sequence.sequence_id if request.sequence else -1,
            reason=reason,
            prompt_tokens=request.prompt_length,
            generated_tokens=request.generated,
            prompt_seconds=self.first_token - self.started if has_tokens else 0.0,
            generation_seconds=self.last_token - self.first_token if has_tokens else 0.0,
            cached_tokens=request.reused,
            evaluated_tokens=request.evaluated,
            drafted_tokens=self.drafted,
            accepted_tokens=self.accepted,
            draft_gain=draft_gain,
        )


def make_request(command: Submit) -> Request:
    """Return the scheduler's request for a command; its deadline starts now."""
    parameters, length = command.parameters, len(command.tokens)
    seconds = parameters.deadline_seconds
    return Request(
        request_id=command.request_id,
        tokens=list(command.tokens),
        prompt_length=length,
        max_tokens=parameters.max_tokens,
        boundaries=frozenset(each for each in command.boundaries if 0 < each < length),
        deadline=None if seconds is None else time.monotonic() + seconds,
    )
