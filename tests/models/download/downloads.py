"""What the tests of the transfer share: a file on the local Hub, and a program that fetches it and can be killed.

python -m tests.models.download.downloads ENDPOINT REPOSITORY PATH PARTIAL SHA256
"""

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx2

from g4run.models.download.download import Downloaded, DownloadOptions, download
from g4run.models.download.retry_policy import RetryPolicy
from g4run.models.download.segments import Range
from g4run.models.remote_files import Link
from tests.fakes.hub import FakeHub

REPOSITORY = "user/Repo-GGUF"
NAME = "model.gguf"
QUICK = DownloadOptions(
    segment_bytes=1_000_000,
    block_bytes=100_000,
    policy=RetryPolicy(stall_seconds=3, retries=3, first_pause_seconds=0.01, longest_pause_seconds=0.05),
)


def some_bytes(size: int, seed: int = 7) -> bytes:
    return random.Random(seed).randbytes(size)


def find_link(client: httpx2.Client, endpoint: str, repository: str = REPOSITORY, path: str = NAME) -> Link:
    """A fresh signed link, as the Hub gives it."""
    answer = client.head(f"{endpoint}/{repository}/resolve/main/{path}", follow_redirects=False)
    size = int(answer.headers["X-Linked-Size"])
    return Link(answer.headers["Location"], {}, size, answer.headers["X-Linked-Etag"].strip('"'))


@dataclass
class Pull:
    """One file of the local Hub, and where it goes."""

    hub: FakeHub
    client: httpx2.Client
    partial: Path
    content: bytes
    options: DownloadOptions = QUICK
    links: int = 0
    progress: list[int] = field(default_factory=list)

    @property
    def sha256(self) -> str:
        return self.hub.file(REPOSITORY, NAME).sha256

    @property
    def journal(self) -> Path:
        return self.partial.with_name("blob.g4run.journal")

    @property
    def sent_bytes(self) -> int:
        return self.hub.sent_bytes(f"{REPOSITORY}/{NAME}")

    def resolve(self) -> Link:
        self.links += 1
        return find_link(self.client, self.hub.endpoint)

    def run(
        self,
        resolve: Callable[[], Link] | None = None,
        on_progress: Callable[[int], None] | None = None,
        expected_sha256: str | None = None,
    ) -> Downloaded:
        return download(
            self.client,
            resolve or self.resolve,
            self.partial,
            expected_sha256=expected_sha256 or self.sha256,
            on_progress=on_progress or self.progress.append,
            options=self.options,
        )

    def set_stall(self, seconds: float) -> None:
        """How long a connection may send nothing."""
        self.options = replace(self.options, policy=replace(self.options.policy, stall_seconds=seconds))

    def recorded(self) -> tuple[Range, ...]:
        """What the journal says is there."""
        _, *lines = self.journal.read_text("ascii").split("\n")
        return tuple((int(start), int(end)) for start, end in (line.split() for line in lines))

    def is_finished(self) -> bool:
        """Whether the file is there as it should be, and nothing else."""
        return self.partial.read_bytes() == self.content and list(self.partial.parent.iterdir()) == [self.partial]


@contextmanager
def pull_of(content: bytes, directory: Path) -> Iterator[Pull]:
    """A local Hub with one file in it."""
    with FakeHub() as hub, httpx2.Client(follow_redirects=True, timeout=None, trust_env=False) as client:
        hub.add_repository(REPOSITORY, {NAME: content})
        yield Pull(hub, client, directory / "blobs" / "blob.g4run.incomplete", content)


def main() -> None:
    """Fetch one file with the options that users have."""
    endpoint, repository, path, partial, sha256 = sys.argv[1:]
    with httpx2.Client(follow_redirects=True, timeout=None, trust_env=False) as client:
        done = download(
            client,
            lambda: find_link(client, endpoint, repository, path),
            Path(partial),
            expected_sha256=sha256,
            on_progress=lambda done_bytes: None,
        )
    sys.stdout.write(f"{done.sha256} {done.wire_bytes}\n")


if __name__ == "__main__":
    main()
