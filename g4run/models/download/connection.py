"""One connection of a download: it requests segments, writes what arrives, and retries."""

import time

from g4run.models.download.partial_file import PartialFile
from g4run.models.download.retry_policy import AttemptFailed, Retries, RetryPolicy
from g4run.models.download.segments import Schedule, Segment
from g4run.models.download.source import Body, Source

_BLOCK_SECONDS = 0.05  # after which a slow connection writes what it has

KEPT = "run the same command again to resume"


class Connection:
    """The work of one thread, until the file is complete or the download stops."""

    def __init__(
        self, source: Source, file: PartialFile, schedule: Schedule, block_bytes: int, policy: RetryPolicy
    ) -> None:
        self._source = source
        self._file = file
        self._schedule = schedule
        self._block_bytes = block_bytes
        self._retries = Retries(policy, KEPT)
        self._progress_bytes = 0
        self._body: Body | None = None
        self.wire_bytes = 0

    def run(self) -> None:
        """Fetch segments until there are none left. Raises G4RunError after the last retry."""
        while segment := self._schedule.take():
            came = self.wire_bytes
            failure: AttemptFailed | None = None
            try:
                self._fetch(segment)
            except AttemptFailed as failed:
                failure = failed
            self._schedule.give_back(segment)
            if failure and not self._schedule.is_stopped:
                self._pause(failure, self.wire_bytes - came)

    @property
    def is_receiving(self) -> bool:
        """Whether data may still arrive that must be written; not while waiting for an answer."""
        return self._body is not None

    def interrupt(self) -> None:
        """Wake the thread if it waits for data; called from another thread."""
        if body := self._body:
            body.interrupt()

    def _fetch(self, segment: Segment) -> None:
        with self._source.request(segment.position, segment.end, self._schedule.present_bytes) as body:
            if body is None or (body.is_whole and not self._schedule.stream_whole(segment)):
                return
            self._body = body
            try:
                self._receive(body, segment)
            finally:
                self._body = None

    def _receive(self, body: Body, segment: Segment) -> None:
        """Write a body as it arrives; on any error, first write what has arrived."""
        position = body.position
        chunks: list[bytes] = []
        held, began = 0, time.monotonic()
        try:
            for chunk in body.chunks():
                self.wire_bytes += len(chunk)
                chunks.append(chunk)
                held += len(chunk)
                is_last = position + held >= min(body.end, segment.end) or self._schedule.is_ending
                if is_last or held >= self._block_bytes or time.monotonic() - began > _BLOCK_SECONDS:
                    self._write(segment, position, chunks)
                    position, held, began = position + held, 0, time.monotonic()
                    chunks.clear()
                if is_last and position < body.end:
                    break
        finally:
            self._write(segment, position, chunks)

    def _write(self, segment: Segment, start: int, chunks: list[bytes]) -> None:
        data = memoryview(b"".join(chunks))
        for first, last in self._schedule.wanted(segment, start, start + len(data)):
            self._file.write(first, data[first - start : last - start])
            self._schedule.record(first, last)
        segment.position = start + len(data)

    def _pause(self, failure: AttemptFailed, came_bytes: int) -> None:
        """Wait before the next attempt, or give up."""
        present = self._schedule.present_bytes
        has_progress, self._progress_bytes = present != self._progress_bytes, present
        self._schedule.pause(self._retries.pause_seconds(failure, came_bytes, has_progress=has_progress))
