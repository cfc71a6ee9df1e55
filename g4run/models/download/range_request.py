"""A request for a part of a file, and what the network does to it in words for a person."""

import httpx2

from g4run.models.download.options import TransferOptions
from g4run.models.download.range_response import Asked
from g4run.models.download.remote_files import Link

NETWORK_FAILURES = (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL, OSError)


def send_request(client: httpx2.Client, link: Link, asked: Asked, options: TransferOptions) -> httpx2.Response:
    """Ask for a range; the body of the answer is still to be read. Raises NETWORK_FAILURES."""
    headers = {**link.headers, "Range": f"bytes={asked.start}-{asked.end - 1}", "Accept-Encoding": "identity"}
    if len(asked.etags) == 1:
        headers["If-Range"] = min(asked.etags)
    timeout = httpx2.Timeout(options.stall_seconds, connect=min(options.connect_seconds, options.stall_seconds))
    request = client.build_request("GET", link.url, headers=headers, timeout=timeout)
    return client.send(request, stream=True, follow_redirects=True)


def describe_failure(error: Exception) -> str:
    """What the network did."""
    if isinstance(error, httpx2.ConnectTimeout | httpx2.ConnectError):
        return f"cannot connect to the server ({error})"
    if isinstance(error, httpx2.TimeoutException):
        return "the server sends nothing more"
    return f"the connection broke ({error})"
