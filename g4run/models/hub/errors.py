"""Explain failed requests to the Hub, with a hint what to do next."""

import math
import re
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2

from g4run.errors import AccessDenied, G4RunError, ModelNotFound, NetworkError, Offline, UsageError
from g4run.models.download.range_response import parse_retry_after

_TRY_LATER = "try again in a few minutes; https://status.huggingface.co shows whether the Hub is down"
LOG_IN = "set HF_TOKEN, or run `hf auth login`"
_OTHER_TOKEN = "unset HF_TOKEN or set it to a valid token; `hf auth login` replaces a stored one"
_WRONG_TOKEN = "Invalid credentials in Authorization header"  # the Hub's text
_RATE_LIMIT = re.compile(r";\s*r=0\s*;\s*t=(\d{1,6})\b")  # no requests left, and the seconds until there are

Cause = TypeVar("Cause", bound=BaseException)


@dataclass(frozen=True, slots=True)
class Subject:
    """The subject of a request; `path` is empty for a listing, `revision` is None for the newest."""

    endpoint: str
    repository: str
    revision: str | None = None
    path: str = ""

    @property
    def address(self) -> str:
        """The URL of the repository's page."""
        return f"{self.endpoint}/{self.repository}"

    @property
    def host(self) -> str:
        """The endpoint's host and port, for messages."""
        return urlsplit(self.endpoint).netloc.rpartition("@")[2] or self.endpoint


def explain(error: Exception, subject: Subject) -> G4RunError:
    """Return the error for a request without a usable response."""
    match error:
        case httpx2.TooManyRedirects():
            return _redirects(subject)
        case httpx2.UnsupportedProtocol() | httpx2.InvalidURL():
            return UsageError(f"HF_ENDPOINT is not a valid URL: {subject.endpoint}", "unset HF_ENDPOINT")
        case httpx2.ProxyError():
            return _proxy_refuses(subject, _one_line(str(error)))
        case httpx2.ConnectError():
            return _explain_connect(error, subject)
        case httpx2.TimeoutException():
            hint = "check the connection, and try again"
            return NetworkError(f"{subject.host} does not respond{_through_proxy(subject)}", hint)
        case httpx2.NetworkError() | httpx2.RemoteProtocolError():
            return NetworkError(f"{subject.host} closed the connection{_through_proxy(subject)}", "try again")
        case httpx2.LocalProtocolError() | UnicodeEncodeError():
            return AccessDenied("the access token contains invalid characters", _OTHER_TOKEN)
        case OSError():
            return AccessDenied(f"cannot read the stored access token: {error.filename or error}", LOG_IN)
    return not_the_hub(subject)


def offline(subject: Subject) -> Offline:
    """Return the error for a request in offline mode."""
    wanted = f"{subject.repository}/{subject.path}".rstrip("/")
    return Offline(f"offline mode is on, and {wanted} is on the Hub", "unset HF_HUB_OFFLINE")


def explain_status(response: httpx2.Response, subject: Subject) -> G4RunError:
    """Return the error for a response with an error status."""
    code = response.headers.get("X-Error-Code")
    message = response.headers.get("X-Error-Message") or ""
    status, has_token = response.status_code, "authorization" in response.request.headers
    if code == "GatedRepo":
        return _gated(status, subject)
    if status == 401 and (message == _WRONG_TOKEN or (has_token and code is None)):
        return AccessDenied(f"{subject.host} rejected the access token", _OTHER_TOKEN)
    if code == "RevisionNotFound":
        hint = f"its branches and tags: {subject.address}/tree/main"
        return ModelNotFound(f"{subject.repository} has no revision {subject.revision}", hint)
    if code == "EntryNotFound":
        hint = f"its files: {subject.address}/tree/main"
        return ModelNotFound(f"{subject.repository} has no file {subject.path}", hint)
    if code == "RepoNotFound" or status in (401, 404):
        return ModelNotFound(
            f"there is no repository {subject.repository} on the Hub, or it is private",
            f"check the spelling: {subject.address}; for a private repository, {LOG_IN}",
        )
    if status == 403:
        reason = f": {_one_line(message)}" if message else ""
        return AccessDenied(f"{subject.host} denied access to {subject.repository}{reason}", f"see {subject.address}")
    return _explain_trouble(response, subject)


def _explain_trouble(response: httpx2.Response, subject: Subject) -> NetworkError:
    status = response.status_code
    if status == 407:
        return _proxy_refuses(subject, "407")
    if status == 429:
        return _too_many(response, subject)
    if status >= 500:
        return NetworkError(f"{subject.host} has a server error ({status})", _TRY_LATER)
    if 300 <= status < 400:
        return _redirects(subject)
    return NetworkError(f"{subject.host} answered {status} {response.reason_phrase}".rstrip(), "check HF_ENDPOINT")


def explain_setup(error: Exception) -> G4RunError:
    """Return the error for invalid certificates or proxies in the environment."""
    match error:
        case ImportError():
            return UsageError("a SOCKS proxy needs an extra package", "pip install 'httpx2[socks]'")
        case OSError():
            problem = _one_line(str(error.strerror or error))
            return UsageError(
                f"cannot read the trusted certificates: {problem}", "check SSL_CERT_FILE and SSL_CERT_DIR"
            )
    return UsageError("the proxy's address is not valid", "set HTTPS_PROXY to http://HOST:PORT")


def not_the_hub(subject: Subject) -> NetworkError:
    """Return the error for a response that cannot be the Hub's."""
    return NetworkError(
        f"{subject.host} sent an answer that is not the Hub's",
        f"open {subject.endpoint} in a browser, as your network may want a login; or check HF_ENDPOINT",
    )


def retry_after_seconds(response: httpx2.Response) -> float | None:
    """Return how long the Hub asks to wait."""
    limit = _RATE_LIMIT.search(response.headers.get("RateLimit", ""))
    if limit and response.status_code == 429:
        return float(limit.group(1))
    return parse_retry_after(response.headers.get("Retry-After", ""), datetime.now(UTC))


def find_cause(error: BaseException | None, kind: type[Cause]) -> Cause | None:
    """Return the first error of a kind among an error and its causes."""
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error


def _gated(status: int, subject: Subject) -> AccessDenied:
    if status == 403:
        return AccessDenied(
            f"{subject.repository} is gated, and the account of your access token has no access",
            f"accept the license at {subject.address} with that account",
        )
    return AccessDenied(
        f"{subject.repository} is gated: you must accept its license first",
        f"accept the license at {subject.address}, then {LOG_IN}",
    )


def _too_many(response: httpx2.Response, subject: Subject) -> NetworkError:
    seconds = retry_after_seconds(response)
    wait = "try again in a few minutes" if seconds is None else f"wait {math.ceil(seconds)} seconds and try again"
    return NetworkError(
        f"{subject.host} limits the requests of this machine (429)",
        f"{wait}; it allows more requests with HF_TOKEN set",
    )


def _redirects(subject: Subject) -> NetworkError:
    return NetworkError(f"{subject.host} redirects in a loop", "check HF_ENDPOINT, and whether a proxy is in the way")


def _explain_connect(error: httpx2.ConnectError, subject: Subject) -> NetworkError:
    if (refusal := find_cause(error, ssl.SSLError)) is not None:
        reason = getattr(refusal, "verify_message", "") or refusal.reason or str(refusal)
        return NetworkError(
            f"cannot make a secure connection to {subject.host}: {_one_line(reason)}",
            "check the clock; behind a proxy that inspects traffic, set SSL_CERT_FILE to its certificate",
        )
    proxy = _find_proxy(subject)
    whom = f"the proxy {proxy}" if proxy else subject.host
    hint = "check HTTPS_PROXY" if proxy else "check the connection; if you need a proxy, set HTTPS_PROXY"
    if find_cause(error, socket.gaierror):
        return NetworkError(f"cannot resolve the address of {whom}", hint)
    if find_cause(error, ConnectionRefusedError):
        return NetworkError(f"{whom} refused the connection", hint)
    return NetworkError(f"cannot reach {whom}", hint)


def _proxy_refuses(subject: Subject, reason: str) -> NetworkError:
    return NetworkError(
        f"the proxy refused the request to {subject.host}: {reason}",
        "check HTTPS_PROXY; with a login, it is http://NAME:PASSWORD@HOST:PORT",
    )


def _through_proxy(subject: Subject) -> str:
    proxy = _find_proxy(subject)
    return f" through the proxy {proxy}" if proxy else ""


def _find_proxy(subject: Subject) -> str | None:
    """Return the proxy that httpx2 takes from the environment, without its password."""
    parts = urlsplit(subject.endpoint)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parts.netloc):
        return None
    return urlsplit(proxy if "://" in proxy else f"http://{proxy}").netloc.rpartition("@")[2]


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200].removesuffix(".")
