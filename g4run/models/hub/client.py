"""The Hugging Face Hub: which files a repository has, and where to download them.

The only importer of huggingface_hub, which knows addresses and tokens. This module adds timeouts and retries for
listings (2.4.0 waits forever, and gives up at the first 503), errors that say what to do next, and silence on the
terminal.
"""

import logging
import ssl
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import sleep
from typing import TypeVar

import httpx2
from huggingface_hub import HfApi, ModelInfo, constants, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import DeviceCodeError, HfHubHTTPError, HFValidationError, OfflineModeIsEnabled, OIDCError
from huggingface_hub.file_download import HfFileMetadata
from huggingface_hub.hf_api import RepoSibling
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # public, but exported lazily
    build_hf_headers,
    get_session,
)

from g4run import __version__
from g4run.errors import AccessDenied, UsageError
from g4run.models.digest import is_sha256
from g4run.models.download.retry_policy import AttemptFailed, Retries, RetryPolicy
from g4run.models.hub.errors import (
    LOG_IN,
    Subject,
    explain,
    explain_setup,
    explain_status,
    find_cause,
    not_the_hub,
    offline,
    retry_after_seconds,
)
from g4run.models.hub_cache.cache import is_commit
from g4run.models.hub_cache.layout import is_etag
from g4run.models.remote_files import Link, RemoteFile, RemoteRepository
from g4run.settings import Settings

POLICY = RetryPolicy(longest_pause_seconds=8.0, longest_wait_seconds=25.0, total_seconds=25.0)
_LIBRARY = "g4run"
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})  # the ones that huggingface_hub retries
_UNCONNECTED_RETRIES = 2
_STRANGE_ANSWER = (ValueError, KeyError, TypeError, AttributeError)  # raised by huggingface_hub for an invalid listing

T = TypeVar("T")


class Hub:
    """The Hub at the endpoint in the settings."""

    def __init__(self, settings: Settings, policy: RetryPolicy = POLICY) -> None:
        _silence()
        self._is_offline = settings.is_offline
        self._endpoint = settings.hub_endpoint.rstrip("/")
        self._policy = policy
        self._api = HfApi(endpoint=self._endpoint, library_name=_LIBRARY, library_version=__version__)

    @property
    def session(self) -> httpx2.Client:
        """huggingface_hub's client with its proxies and certificates, and without timeouts. Raises UsageError."""
        try:
            session: httpx2.Client = get_session()
        except (ImportError, OSError, ValueError, httpx2.InvalidURL) as error:
            raise explain_setup(error) from error
        return session

    def list_repository(self, repository: str, revision: str | None = None) -> RemoteRepository:
        """List a repository at a revision (None: the newest). Raises NetworkError, ModelNotFound, UsageError."""
        subject = Subject(self._endpoint, repository, revision)
        timeout = self._policy.answer_seconds
        ask = partial(self._api.model_info, repository, revision=revision, timeout=timeout, files_metadata=True)
        with self._explained(subject):
            info = self._retried(ask)
        return _read_listing(info, subject)

    def locate(self, repository: str, commit: str, path: str) -> Link:
        """Return a new download link for a file. Raises NetworkError, ModelNotFound, UsageError."""
        subject = Subject(self._endpoint, repository, commit, path)
        with self._explained(subject):
            ask = partial(
                get_hf_file_metadata,
                hf_hub_url(repository, path, revision=commit, endpoint=self._endpoint),
                timeout=self._policy.answer_seconds,
                library_name=_LIBRARY,
                library_version=__version__,
                endpoint=self._endpoint,
            )
            return self._read_link(self._retried(ask), subject)

    def _read_link(self, metadata: HfFileMetadata, subject: Subject) -> Link:
        if metadata.commit_hash is None or metadata.size is None or not is_etag(metadata.etag or ""):
            raise not_the_hub(subject)
        is_hub = _origin(metadata.location) == _origin(self._endpoint)
        token = None if is_hub else False  # None: the one of the environment or `hf auth login`
        headers: dict[str, str] = build_hf_headers(token=token, library_name=_LIBRARY, library_version=__version__)
        return Link(metadata.location, headers, metadata.size, metadata.etag or "")

    def _retried(self, ask: Callable[[], T]) -> T:
        """Call `ask`, and retry after temporary failures. Raises the last one."""
        retries = Retries(self._policy)
        while True:
            try:
                return ask()
            except httpx2.HTTPError as error:
                if not _may_pass(error, retries.failures):
                    raise
                response = getattr(error, "response", None)
                wait = retry_after_seconds(response) if isinstance(response, httpx2.Response) else None
                sleep(retries.pause_seconds(AttemptFailed(str(error), wait, error)))

    @contextmanager
    def _explained(self, subject: Subject) -> Iterator[None]:
        if self._is_offline:
            raise offline(subject)
        _ = self.session  # opened here, so that its errors are not taken for answers
        try:
            yield
        except HfHubHTTPError as error:
            raise explain_status(error.response, subject) from error
        except OfflineModeIsEnabled as error:
            raise offline(subject) from error
        except HFValidationError as error:
            problem = f"not the name of a repository: {subject.repository}"
            raise UsageError(problem, "write hf.co/USER/REPOSITORY") from error
        except (OIDCError, DeviceCodeError) as error:
            raise AccessDenied(f"cannot get an access token: {error}", LOG_IN) from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, *_STRANGE_ANSWER) as error:
            raise explain(error, subject) from error


def _may_pass(error: httpx2.HTTPError, failures: int) -> bool:
    """Whether another attempt may help; without a connection, waiting helps little."""
    response = getattr(error, "response", None)
    if isinstance(response, httpx2.Response):
        return response.status_code in _RETRIED
    if isinstance(error, httpx2.ConnectError):
        return failures < _UNCONNECTED_RETRIES and find_cause(error, ssl.SSLError) is None
    return isinstance(error, httpx2.TimeoutException | httpx2.NetworkError | httpx2.RemoteProtocolError)


def _read_listing(info: ModelInfo, subject: Subject) -> RemoteRepository:
    if not (
        isinstance(info.id, str) and isinstance(info.sha, str) and is_commit(info.sha) and info.siblings is not None
    ):
        raise not_the_hub(subject)
    files = [_read_file(sibling, subject) for sibling in info.siblings]
    return RemoteRepository(info.id, info.sha, tuple(file for file in files if file.path.isprintable()))


def _read_file(sibling: RepoSibling, subject: Subject) -> RemoteFile:
    """Check a listed file, because huggingface_hub does not."""
    path, size = sibling.rfilename, sibling.size
    sha256 = sibling.lfs.sha256 if sibling.lfs else None
    if not isinstance(path, str) or not isinstance(size, int | None) or not isinstance(sha256, str | None):
        raise not_the_hub(subject)
    return RemoteFile(path, size, sha256 if sha256 and is_sha256(sha256) else None)


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = httpx2.URL(url)
    return parts.scheme, parts.host, parts.port  # None: the scheme's own


def _silence() -> None:
    """Keep huggingface_hub from printing, and from requests of its own."""
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module=r"huggingface_hub\b")
    constants.HF_HUB_DISABLE_TELEMETRY = True  # else its first request downloads a list of programs, for its telemetry
