"""What the Hub answers to a request: the API's listings, the redirects of `resolve`, and its errors."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.fakes.hub_repositories import HubFile, Repository, Revision
from tests.fakes.hub_wire import Answer, Slice


@dataclass(frozen=True, slots=True)
class Target:
    """What a request's path names; parts that it does not have are empty."""

    is_api: bool
    repository: str
    action: str  # "", "revision", "tree", "resolve"
    revision: str
    path: str
    query: Mapping[str, list[str]]

    @property
    def subject(self) -> str:
        """What a fault's pattern is compared with."""
        return self.repository if self.is_api else f"{self.repository}/{self.path}"


def parse_target(url: str) -> Target | None:
    """The repository and file of a URL of the Hub; None for every other page."""
    parts = urlsplit(url)
    words = [unquote(word) for word in parts.path.strip("/").split("/")]
    is_api = words[:2] == ["api", "models"]
    if is_api:
        words = words[2:]
    if len(words) < 2 or (not is_api and words[2:3] != ["resolve"]):
        return None
    action, revision = (*words[2:4], "", "")[:2]
    return Target(is_api, "/".join(words[:2]), action, revision, "/".join(words[4:]), parse_qs(parts.query))


class Access:
    """Which tokens there are, and whether a request may see a repository and its files."""

    def __init__(self) -> None:
        self._tokens: dict[str, frozenset[str] | None] = {}

    def add(self, token: str, repositories: frozenset[str] | None) -> None:
        """A token, and the gated and private repositories that it opens (None: all)."""
        self._tokens[token] = repositories

    def refusal(self, target: Target, repository: Repository | None, authorization: str | None) -> Answer | None:
        """The error for this request, or None if it may go on."""
        token = (authorization or "").removeprefix("Bearer ")
        if authorization and token not in self._tokens:
            return error(401, None, "Invalid credentials in Authorization header")
        if repository is None or (repository.private and not self._opens(token, repository.id)):
            return error(404 if authorization else 401, "RepoNotFound", "Repository not found")
        if repository.gated and not target.is_api and not self._opens(token, repository.id):
            return _gated(repository.id, has_token=bool(authorization))
        return None

    def _opens(self, token: str, repository: str) -> bool:
        if token not in self._tokens:
            return False
        opened = self._tokens[token]
        return opened is None or repository in opened


def answer_api(repository: Repository, target: Target) -> Answer:
    """The repository's description and file list, or one revision's tree."""
    revision = repository.find_revision(target.revision or "main")
    if revision is None:
        return error(404, "RevisionNotFound", f"Invalid rev id: {target.revision}")
    if target.action == "tree":
        return json_answer(_tree(revision, target))
    if target.action in ("", "revision"):
        return json_answer(_description(repository, revision, with_sizes="blobs" in target.query))
    return error(404, None, "Sorry, we can't find the page you are looking for.")


def answer_resolve(repository: Repository, target: Target, link: str | None, announcing_xet: str | None) -> Answer:
    """The file itself if it is small; else a redirect to `link`, with what is needed to check what comes from there."""
    revision = repository.find_revision(target.revision)
    if revision is None:
        return error(404, "RevisionNotFound", f"Invalid rev id: {target.revision}")
    commit = ("X-Repo-Commit", revision.commit)
    file = revision.find(target.path)
    if file is None:
        return error(404, "EntryNotFound", "Entry not found", commit)
    if link is None or not file.is_large:
        etag = ("ETag", f'"{file.git_id}"')
        return Answer(200, (commit, etag, ("Accept-Ranges", "bytes")), Slice(file.source, 0, file.size_bytes))
    headers = [commit, *_links(file), ("Location", link), ("Content-Type", "text/plain; charset=utf-8")]
    if announcing_xet:
        route = f"{announcing_xet}/api/models/{repository.id}/xet-read-token/{revision.commit}"
        headers += [("X-Xet-Hash", file.sha256), ("Link", f'<{route}>; rel="xet-auth"')]
    return Answer(302, tuple(headers), f"Found. Redirecting to {link}".encode())


def find_large(repository: Repository, target: Target) -> HubFile | None:
    revision = repository.find_revision(target.revision)
    file = revision.find(target.path) if revision else None
    return file if file and file.is_large else None


def respelled(target: Target, repository_id: str, url: str) -> Answer:
    """The redirect to a repository's own spelling."""
    return Answer(307, (("Location", url.replace(quote(target.repository), quote(repository_id), 1)),))


def error(status: int, code: str | None, message: str, *headers: tuple[str, str]) -> Answer:
    """An error as the Hub words it: twice, in headers and in JSON."""
    known = (("X-Error-Code", code),) if code else ()
    body = json.dumps({"error": message}).encode()
    return Answer(status, (*known, ("X-Error-Message", message), ("Content-Type", "application/json"), *headers), body)


def json_answer(value: object) -> Answer:
    return Answer(200, (("Content-Type", "application/json; charset=utf-8"),), json.dumps(value).encode())


def _links(file: HubFile) -> tuple[tuple[str, str], ...]:
    return (
        ("X-Linked-Size", str(file.size_bytes)),
        ("X-Linked-Etag", f'"{file.sha256}"'),
        ("ETag", f'"{file.git_id}"'),
        ("Accept-Ranges", "bytes"),
    )


def _gated(repository_id: str, *, has_token: bool) -> Answer:
    restricted = f"Access to model {repository_id} is restricted"
    if has_token:
        return error(403, "GatedRepo", f"{restricted} and you are not in the authorized list.")
    return error(401, "GatedRepo", f"{restricted}. You must have access to it and be authenticated to access it.")


def _description(repository: Repository, revision: Revision, *, with_sizes: bool) -> dict[str, object]:
    return {
        "_id": revision.commit[:24],
        "id": repository.id,
        "modelId": repository.id,
        "author": repository.id.split("/")[0],
        "sha": revision.commit,
        "lastModified": "2026-04-02T16:00:00.000Z",
        "createdAt": "2026-04-02T16:00:00.000Z",
        "private": repository.private,
        "gated": "manual" if repository.gated else False,
        "disabled": False,
        "downloads": 1,
        "likes": 1,
        "tags": ["gguf"],
        "siblings": [_sibling(file, with_sizes=with_sizes) for file in revision.files],
    }


def _sibling(file: HubFile, *, with_sizes: bool) -> dict[str, object]:
    if not with_sizes:
        return {"rfilename": file.path}
    sibling: dict[str, object] = {"rfilename": file.path, "blobId": file.git_id, "size": file.size_bytes}
    if file.is_large:
        sibling["lfs"] = {"sha256": file.sha256, "size": file.size_bytes, "pointerSize": len(file.pointer)}
    return sibling


def _tree(revision: Revision, target: Target) -> list[dict[str, object]]:
    """Files, and directories too unless everything below is asked for."""
    prefix = f"{target.path}/" if target.path else ""
    is_recursive = target.query.get("recursive", ["false"])[0].lower() == "true"
    below = [file for file in revision.files if file.path.startswith(prefix)]
    shown = [file for file in below if is_recursive or "/" not in file.path[len(prefix) :]]
    inside = {file.path[len(prefix) :].split("/")[0] for file in below if file not in shown}
    directories: list[dict[str, object]] = [
        {"type": "directory", "oid": revision.commit, "size": 0, "path": prefix + name} for name in sorted(inside)
    ]
    return directories + [_entry(file) for file in shown]


def _entry(file: HubFile) -> dict[str, object]:
    entry: dict[str, object] = {
        "type": "file",
        "oid": file.git_id,
        "size": file.size_bytes,
        "path": file.path,
    }
    if file.is_large:
        entry["lfs"] = {"oid": file.sha256, "size": file.size_bytes, "pointerSize": len(file.pointer)}
    return entry
