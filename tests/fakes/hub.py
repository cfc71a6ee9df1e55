"""A local server that behaves to its clients as the Hugging Face Hub does, and as badly as a test wants it to.

By hand, where DIRECTORY holds USER/REPOSITORY/<files>:

    python -m tests.fakes.hub DIRECTORY [--port N] [--fault KIND[:name=value,…] …] [--rate BYTES_PER_SECOND] [--xet]
    HF_ENDPOINT=http://127.0.0.1:N g4run pull hf.co/USER/REPOSITORY

The faults, and what each one's value means, are in hub_faults.py: `--fault status:value=503,stage=cdn,times=2`.
The Hub itself is at 127.0.0.1 and its large files come from `localhost` and another port, so that a test can see
what is told to which of the two.
"""

import argparse
import contextlib
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.fakes.hub_answers import (
    Access,
    Target,
    answer_api,
    answer_resolve,
    error,
    find_large,
    json_answer,
    parse_target,
    respelled,
)
from tests.fakes.hub_cdn import Signer, answer_content, parse_signed
from tests.fakes.hub_faults import OF_RANGE, Fault, FaultKind, Faults, Stage, parse_fault
from tests.fakes.hub_repositories import HubFile, Repository, make_revision, read_directory
from tests.fakes.hub_server import Listener, Request, Route, Traffic, Wire
from tests.fakes.hub_wire import Answer

GOOD_TOKEN = "hf_opensEverything"
POOR_TOKEN = "hf_opensNothing"  # valid, but on no list
_LINK_SECONDS = 3600.0


class FakeHub:
    """The Hub of one test; a context manager, with everything that happened on record."""

    def __init__(self, port: int = 0, *, link_seconds: float = _LINK_SECONDS, announces_xet: bool = False) -> None:
        self.faults = Faults()
        self.traffic = Traffic()
        self.announces_xet = announces_xet
        self.warning = ""  # what clients are told to show, in X-HF-Warning
        self.access = Access()
        self.access.add(GOOD_TOKEN, None)
        self.access.add(POOR_TOKEN, frozenset())
        self._repositories: dict[str, Repository] = {}
        self._directory = tempfile.TemporaryDirectory(prefix="fake-hub-", ignore_cleanup_errors=True)
        self._written = 0
        self._api_body: bytes | None = None
        self._signer = Signer(link_seconds)
        self._wire = Wire(self.faults, self.traffic, threading.Event())
        self._hub_route = Route(_describe_hub, self._answer_hub)
        self._cdn_route = Route(_describe_cdn, self._answer_cdn)
        self._hub = Listener("127.0.0.1", port, self._hub_route, self._wire)
        self._cdn = Listener("localhost", 0, self._cdn_route, self._wire)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._stop_listening()
        self._directory.cleanup()

    @property
    def endpoint(self) -> str:
        """What HF_ENDPOINT is set to."""
        return f"http://127.0.0.1:{self._hub.port}"

    @property
    def cdn_origin(self) -> str:
        return f"http://localhost:{self._cdn.port}"

    @property
    def requests(self) -> tuple[Request, ...]:
        return self.traffic.requests

    def sent_bytes(self, path: str | None = None) -> int:
        """Bytes of bodies that were sent of "USER/REPOSITORY/file", by either host; of everything without a path."""
        return self.traffic.sent_bytes(path)

    def reset(self) -> None:
        """Forgets what was asked and sent, and every fault that has not happened yet."""
        self.traffic.reset()
        self.faults.clear()

    def fault(
        self,
        kind: FaultKind,
        value: int = 0,
        *,
        stage: Stage | None = Stage.CDN,
        path: str = "*",
        times: int | None = 1,
        skip: int = 0,
        method: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        """Lets something go wrong; `Fault` says what the arguments mean."""
        self.faults.add(Fault(kind, value, stage, path, times, skip, method, retry_after))

    def set_rate(self, bytes_per_second: int | None) -> None:
        """Slows every connection down, those that are open too."""
        self._wire.rate = bytes_per_second

    def expire_links(self) -> None:
        """Every signed link that was given out until now answers 403."""
        self._signer.expire_all()

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """Both hosts end their connections and refuse new ones; afterwards they listen where they did."""
        ports = self._hub.port, self._cdn.port
        self._stop_listening()
        try:
            yield
        finally:
            self._wire.stopping.clear()
            self._hub = Listener("127.0.0.1", ports[0], self._hub_route, self._wire)
            self._cdn = Listener("localhost", ports[1], self._cdn_route, self._wire)

    def add_repository(
        self, repository_id: str, files: Mapping[str, Path | bytes], *, gated: bool = False, private: bool = False
    ) -> str:
        """Adds a repository with its first commit, whose name is returned."""
        revision = make_revision(repository_id, self._on_disk(files), 0)
        self._repositories[repository_id.lower()] = Repository(repository_id, revision, gated=gated, private=private)
        return revision.commit

    def add_revision(self, repository_id: str, files: Mapping[str, Path | bytes], reference: str = "main") -> str:
        """A newer commit, with these files changed or added; a branch or tag then points at it."""
        repository = self._repositories[repository_id.lower()]
        kept = {file.path: file.source for file in repository.revisions[-1].files}
        revision = make_revision(repository_id, {**kept, **self._on_disk(files)}, len(repository.revisions))
        repository.add_revision(revision, reference)
        return revision.commit

    def file(self, repository_id: str, path: str, revision: str = "main") -> HubFile:
        """What is served, for a test to compare with."""
        found = self._repositories[repository_id.lower()].find_revision(revision)
        file = found.find(path) if found else None
        assert file is not None, f"no {path} in {repository_id}"
        return file

    def replace_api(self, body: bytes) -> None:
        """From now on every request to the API is answered with these bytes, as if they were right."""
        self._api_body = body

    def _on_disk(self, files: Mapping[str, Path | bytes]) -> dict[str, Path]:
        return {
            path: self._write(content) if isinstance(content, bytes) else content for path, content in files.items()
        }

    def _write(self, content: bytes) -> Path:
        self._written += 1
        path = Path(self._directory.name) / str(self._written)
        path.write_bytes(content)
        return path

    def _stop_listening(self) -> None:
        self._wire.stopping.set()
        self._hub.stop()
        self._cdn.stop()

    def _answer_hub(self, request: Request) -> Answer:
        if request.path.startswith("/api/agent-harnesses"):
            return json_answer({"standardEnvVars": [], "harnesses": {}})
        target = parse_target(request.path)
        if self._api_body is not None and target and target.is_api:
            return Answer(200, (("Content-Type", "application/json"),), self._api_body)
        if target is None:
            return error(404, None, "Sorry, we can't find the page you are looking for.")
        repository = self._repositories.get(target.repository.lower())
        refusal = self.access.refusal(target, repository, request.headers.get("authorization"))
        if refusal or repository is None:
            return refusal or error(404, "RepoNotFound", "Repository not found")
        if target.repository != repository.id:
            return respelled(target, repository.id, request.path)
        return self._answer_about(repository, target, request)

    def _answer_about(self, repository: Repository, target: Target, request: Request) -> Answer:
        if target.is_api and target.action == "xet-read-token":
            return error(503, None, "Xet is not served here")
        if target.is_api:
            answer = answer_api(repository, target)
            warning = (("X-HF-Warning", self.warning),) if self.warning else ()
            return replace(answer, headers=answer.headers + warning)
        large = find_large(repository, target)
        link = self._signer.sign(self.cdn_origin, repository.id, large) if large else None
        return answer_resolve(repository, target, link, self.endpoint if self.announces_xet else None)

    def _answer_cdn(self, request: Request) -> Answer:
        signed = parse_signed(request.path)
        refusal = self._signer.refusal(request.path)
        if refusal or signed is None:
            return refusal or Answer(404)
        repository = self._repositories.get(signed.repository.lower())
        file = repository.find_blob(signed.sha256) if repository else None
        if file is None:
            return Answer(404)
        faults = self.faults.take(OF_RANGE, Stage.CDN, request.method, request.subject)
        return answer_content(file, request.headers, faults)


def _describe_hub(url: str) -> tuple[Stage, str]:
    target = parse_target(url)
    if target is None:
        return Stage.API, url
    return Stage.API if target.is_api else Stage.RESOLVE, target.subject


def _describe_cdn(url: str) -> tuple[Stage, str]:
    signed = parse_signed(url)
    return Stage.CDN, signed.subject if signed else url


def main() -> None:
    """Serves a directory until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.hub", description="A local Hugging Face Hub.")
    parser.add_argument("directory", type=Path, help="holds USER/REPOSITORY/<files>")
    parser.add_argument("--port", type=int, default=0, help="of the Hub (default: any that is free)")
    parser.add_argument("--fault", action="append", type=parse_fault, default=[], help="KIND[:name=value,…]")
    parser.add_argument("--rate", type=int, help="bytes a second for each connection")
    parser.add_argument("--link-seconds", type=float, default=_LINK_SECONDS, help="how long a link is valid")
    parser.add_argument("--xet", action="store_true", help="announce Xet, as the Hub does")
    arguments = parser.parse_args()
    with FakeHub(arguments.port, link_seconds=arguments.link_seconds, announces_xet=arguments.xet) as hub:
        read_directory(arguments.directory, hub.add_repository)
        for fault in arguments.fault:
            hub.faults.add(fault)
        hub.set_rate(arguments.rate)
        sys.stdout.write(f"HF_ENDPOINT={hub.endpoint}\n")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
