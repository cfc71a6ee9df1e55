"""What the local Hub of conftest.py has, and how huggingface_hub asks it for a file and for a link."""

from pathlib import Path

from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

from tests.fakes.hub import FakeHub

REPOSITORY = "user/Repo-GGUF"
LARGE = bytes(range(256)) * 2_000  # 512,000 bytes
FILE = f"{REPOSITORY}/a.gguf"


def download(hub: FakeHub, cache: Path, path: str, revision: str | None = None, token: str | bool = False) -> Path:
    return Path(
        hf_hub_download(
            REPOSITORY, path, revision=revision, endpoint=hub.endpoint, cache_dir=cache, token=token, etag_timeout=5
        )
    )


def link(hub: FakeHub) -> str:
    return get_hf_file_metadata(hf_hub_url(REPOSITORY, "a.gguf", endpoint=hub.endpoint), token=False).location
