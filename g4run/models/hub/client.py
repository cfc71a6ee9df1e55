"""The Hugging Face Hub: what a repository has, where a file can be had, and the locks of the shared cache.

The only importer of huggingface_hub, which knows addresses, tokens and locks. This module adds what it does not do:
limits of time and further attempts for listings (2.4.0 waits for ever, and gives up at the first 503), errors that a
person can act on, and silence on the terminal.
"""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
from filelock import Timeout
from huggingface_hub import HfApi, ModelInfo, constants, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import (
    DeviceCodeError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    OIDCError,
)
from huggingface_hub.file_download import HfFileMetadata
from huggingface_hub.hf_api import RepoSibling
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # public, but exported lazily
    WeakFileLock,
    build_hf_headers,
    get_session,
)

from g4run import __version__
from g4run.errors import AccessDenied, G4RunError, ModelNotFound, Offline, UsageError
from g4run.models.download.remote_files import Link, RemoteFile, RemoteRepository
from g4run.models.hub.errors import Subject, explain_setup, explain_status, explain_transport, not_the_hub
from g4run.models.hub.retry import Patience, ask_patiently
from g4run.models.hub_cache.cache import is_commit
from g4run.models.hub_cache.layout import HubCache, explained, is_etag
from g4run.settings import Settings
from g4run.suggestions import did_you_mean, find_similar

_LIBRARY = "g4run"
_LOCK_LOOK_SECONDS = 0.2  # between two looks at a lock, in which Ctrl-C is heard
_DEFAULT_PORTS = {"http": 80, "https": 443}
_STRANGE_ANSWER = (ValueError, KeyError, TypeError, AttributeError)  # of huggingface_hub, reading what is no listing


class Hub:
    """The Hub at the endpoint of the settings, and the cache in their directory."""

    def __init__(self, settings: Settings, patience: Patience | None = None) -> None:
        _silence()
        self._is_offline = settings.is_offline
        self._endpoint = settings.hub_endpoint.rstrip("/")
        self._patience = patience or Patience()
        self._api = HfApi(endpoint=self._endpoint, library_name=_LIBRARY, library_version=__version__)
        self._cache = HubCache(settings.hub_cache, makes_links=not constants.HF_HUB_DISABLE_SYMLINKS)

    @property
    def session(self) -> httpx2.Client:
        """huggingface_hub's own client, with its proxies and certificates, and no limits of time. Raises UsageError."""
        try:
            session: httpx2.Client = get_session()
        except (ImportError, OSError, ValueError, httpx2.InvalidURL) as error:
            raise explain_setup(error) from error
        return session

    def list_repository(self, repository: str, revision: str | None = None) -> RemoteRepository:
        """The files of a repository's revision (None: the newest). Raises NetworkError, ModelNotFound, UsageError."""
        subject = Subject(self._endpoint, repository, revision)
        with self._explained(subject):
            info = ask_patiently(lambda: self._ask_listing(subject), self._patience)
        return _read_listing(info, subject)

    def locate(self, repository: str, commit: str, path: str) -> Link:
        """A fresh link to a file's bytes. Raises NetworkError, ModelNotFound, UsageError."""
        subject = Subject(self._endpoint, repository, commit, path)
        try:
            with self._explained(subject):
                metadata = ask_patiently(lambda: self._ask_metadata(subject), self._patience)
                return self._read_link(metadata, subject)
        except ModelNotFound as error:
            raise self._with_nearest(error, subject) from error

    @contextmanager
    def lock(self, repository: str, etag: str, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
        """huggingface_hub's own lock of that content; `on_wait` is called once if another process has it."""
        path = self._cache.lock_path(repository, etag)
        with ExitStack() as stack:
            with explained(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                is_ours = _try_lock(stack, path)
            if not is_ours and on_wait:
                on_wait()
            while not is_ours:
                with explained(path):
                    is_ours = _try_lock(stack, path)
            yield

    def blob_path(self, repository: str, etag: str) -> Path:
        """Where the content of that name lies."""
        return self._cache.blob_path(repository, etag)

    def partial_path(self, repository: str, etag: str) -> Path:
        """Where the content is gathered."""
        return self._cache.partial_path(repository, etag)

    def prepare(self, repository: str, commit: str) -> None:
        """Make the cache's directories for a commit. Raises NotWritable and DiskFull, as the next two do."""
        self._cache.prepare(repository, commit)

    def commit_blob(self, repository: str, etag: str, partial: Path) -> None:
        """Move finished, verified content to its place."""
        self._cache.commit_blob(repository, etag, partial)

    def link(self, repository: str, commit: str, requested_revision: str | None, path: str, etag: str) -> Path:
        """Make the file appear in the commit's snapshot, and the revision refer to that commit; the file's path."""
        return self._cache.link(repository, commit, requested_revision, path, etag)

    def _ask_listing(self, subject: Subject) -> ModelInfo:
        return self._api.model_info(
            subject.repository,
            revision=subject.revision,
            timeout=self._patience.answer_seconds,
            files_metadata=True,
        )

    def _ask_metadata(self, subject: Subject) -> HfFileMetadata:
        return get_hf_file_metadata(
            hf_hub_url(subject.repository, subject.path, revision=subject.revision, endpoint=self._endpoint),
            timeout=self._patience.answer_seconds,
            library_name=_LIBRARY,
            library_version=__version__,
            endpoint=self._endpoint,
        )

    def _read_link(self, metadata: HfFileMetadata, subject: Subject) -> Link:
        if metadata.commit_hash is None or metadata.size is None or not is_etag(metadata.etag or ""):
            raise not_the_hub(subject)
        is_hub = _origin(metadata.location) == _origin(self._endpoint)
        token = None if is_hub else False  # None: that of the environment or of `hf auth login`
        headers: dict[str, str] = build_hf_headers(token=token, library_name=_LIBRARY, library_version=__version__)
        return Link(metadata.location, headers, metadata.size, metadata.etag or "")

    def _with_nearest(self, error: ModelNotFound, subject: Subject) -> ModelNotFound:
        """The error, with the names that the file may have been meant to have."""
        try:
            listing = self.list_repository(subject.repository, subject.revision)
        except G4RunError:
            return error
        near = find_similar(subject.path, (file.path for file in listing.files))
        if listing.find(subject.path) or not near:
            return error
        return ModelNotFound(error.message, did_you_mean(near))

    @contextmanager
    def _explained(self, subject: Subject) -> Iterator[None]:
        if self._is_offline:
            raise _offline(subject)
        _ = self.session  # opened here, where its errors are not taken for answers
        try:
            yield
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, OIDCError, DeviceCodeError, *_STRANGE_ANSWER) as error:
            raise _explain(error, subject) from error


def _explain(error: Exception, subject: Subject) -> G4RunError:
    match error:
        case HfHubHTTPError(response=response):
            return explain_status(response, subject)
        case OfflineModeIsEnabled():
            return _offline(subject)
        case HFValidationError():
            return UsageError(f"not the name of a repository: {subject.repository}", "write hf.co/USER/REPOSITORY")
        case OIDCError() | DeviceCodeError():
            return AccessDenied(f"no access token could be had: {error}", "set HF_TOKEN, or run `hf auth login`")
        case httpx2.HTTPError() | httpx2.InvalidURL() | UnicodeEncodeError():
            return explain_transport(error, subject)
        case OSError():
            problem = f"the stored access token cannot be read: {error.filename or error}"
            return AccessDenied(problem, "set HF_TOKEN, or run `hf auth login`")
    return not_the_hub(subject)


def _offline(subject: Subject) -> Offline:
    wanted = f"{subject.repository}/{subject.path}".rstrip("/")
    return Offline(f"offline mode is on, and {wanted} would have to be asked of the Hub", "unset HF_HUB_OFFLINE")


def _read_listing(info: ModelInfo, subject: Subject) -> RemoteRepository:
    if not (
        isinstance(info.id, str) and isinstance(info.sha, str) and is_commit(info.sha) and info.siblings is not None
    ):
        raise not_the_hub(subject)
    files = [_read_file(sibling, subject) for sibling in info.siblings]
    return RemoteRepository(info.id, info.sha, tuple(file for file in files if file.path.isprintable()))


def _read_file(sibling: RepoSibling, subject: Subject) -> RemoteFile:
    """Checked, because huggingface_hub passes on what it was sent."""
    path, size = sibling.rfilename, sibling.size
    sha256 = sibling.lfs.sha256 if sibling.lfs else None
    if not isinstance(path, str) or not isinstance(size, int | None) or not isinstance(sha256, str | None):
        raise not_the_hub(subject)
    return RemoteFile(path, size, sha256 if sha256 and is_etag(sha256) else None)


def _try_lock(stack: ExitStack, path: Path) -> bool:
    try:
        stack.enter_context(WeakFileLock(path, timeout=_LOCK_LOOK_SECONDS))
    except Timeout:
        return False
    return True


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme)


def _silence() -> None:
    """huggingface_hub prints nothing, and asks the network for nothing that was not asked of it."""
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module=r"huggingface_hub\b")
    constants.HF_HUB_DISABLE_TELEMETRY = (
        True  # else its first request fetches a list of programs, to name them to the Hub
    )
