"""The link that all connections of a transfer use, and its renewal when it expires."""

import threading
from collections.abc import Callable

from g4run.errors import AccessDenied, NetworkError, Offline
from g4run.models.download.range_response import Answer, Verdict
from g4run.models.download.remote_files import Link
from g4run.models.download.retry_policy import AttemptFailed
from g4run.units import render_count

KEPT = "run the same command again; what came is kept"


class SharedLink:
    """The current link; one thread renews it while the others wait. Every method may be called from any thread."""

    def __init__(self, resolve: Callable[[], Link], most_renewals: int) -> None:
        """Resolve the first link. Raises what `resolve` raises."""
        self._resolve = resolve
        self._most_renewals = most_renewals
        self._lock = threading.Lock()
        self._renewals = 0  # since the last progress
        self._progress_bytes = -1
        self._has_other_size = False
        self.current = resolve()
        self.server_etags: frozenset[str] = frozenset()  # the CDN's own names of the content, which are not the Hub's

    def accept(self, etag: str | None) -> None:
        """Remember how a server calls the content; two servers of one CDN may not agree."""
        if etag and etag not in self.server_etags:
            with self._lock:
                self.server_etags |= {etag}

    def renew(self, used: Link, answer: Answer, progress_bytes: int) -> None:
        """Resolve again, because of an answer to a link, unless another thread did so already.

        `progress_bytes` tells whether something came since the last time. Raises NetworkError when fresh links do not
        help, or when the Hub itself has another file now; AttemptFailed when the Hub may answer better later.
        """
        with self._lock:
            if used is not self.current:
                return
            self._count(answer, progress_bytes)
            fresh = self._resolve_again()
            if (fresh.etag, fresh.size_bytes) != (used.etag, used.size_bytes):
                raise NetworkError(
                    "the file changed on the Hub while it was being downloaded", "run the same command again"
                )
            self.current = fresh
            self.server_etags |= {answer.etag} if answer.etag else set()

    def _resolve_again(self) -> Link:
        try:
            return self._resolve()
        except (AccessDenied, Offline):
            raise
        except NetworkError as error:
            raise AttemptFailed(error.message, error=error) from error

    def _count(self, answer: Answer, progress_bytes: int) -> None:
        self._renewals = self._renewals + 1 if progress_bytes == self._progress_bytes else 1
        self._progress_bytes = progress_bytes
        if answer.verdict is Verdict.OTHER_SIZE:
            if self._has_other_size:
                raise self._other_size(answer.total_bytes)
            self._has_other_size = True
        if self._renewals > self._most_renewals:
            if answer.verdict is Verdict.EXPIRED:
                raise AccessDenied(f"{answer.reason}, fresh ones too", KEPT)
            raise NetworkError(answer.reason, KEPT)

    def _other_size(self, total_bytes: int) -> NetworkError:
        expected = render_count(self.current.size_bytes)
        return NetworkError(
            f"the server has a file of {render_count(total_bytes)} bytes, and the Hub says {expected}", KEPT
        )
