"""The README, the pages in docs, and the changelog say what the program does."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import takewhile
from pathlib import Path

import pytest
import typer

from g4run import __version__, errors
from g4run.cli.app import build_app
from g4run.cli.command_list import COMMANDS as NAMES
from g4run.errors import G4RunError
from g4run.settings import ENVIRONMENT_VARIABLES
from tests.architecture import LAYERS, read_sources
from tests.e2e.processes import COMMAND, DEADLINE_SECONDS, run_g4run

ROOT = Path(__file__).parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
    for path in (ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").glob("*.md")))
}
README = PAGES["README.md"]
ALL_PAGES = "\n".join(PAGES.values())
FOREIGN_OPTIONS = {"--force-reinstall"}  # of pip


def commands_of(application: typer.Typer | None) -> Iterator[str]:
    """The names of an application's commands, those in groups with the group's name before them."""
    if application is not None:
        yield from (command.name or "" for command in application.registered_commands if not command.hidden)
        for group in application.registered_groups:
            yield from (f"{group.name} {name}" for name in commands_of(group.typer_instance))


COMMANDS = tuple(commands_of(build_app(tuple(NAMES))))


def blocks(page: str) -> list[tuple[str, str]]:
    """The language and the content of each fenced block."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


def examples() -> Iterator[tuple[str, str, str]]:
    """Each `$ command` in a plain block of any page: the page, the command, and what it prints there."""
    for name, page in PAGES.items():
        sessions = "".join(body for language, body in blocks(page) if not language)
        for part in re.split(r"^\$ ", sessions, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield name, command, output


def table_under(page: str, heading: str) -> dict[str, str]:
    """The first two columns of the first table below a heading."""
    section = page.partition(f"{heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| (.+?) \|", section, re.MULTILINE)
    return {first.strip("`"): second for first, second in rows[2:]}


@cache
def options_of(command: str) -> frozenset[str]:
    """The options that a command's help lists."""
    return frozenset(re.findall(r"(?<![\w-])--[a-z-]+", run_g4run(*command.split(), "--help").stdout))


def all_options() -> frozenset[str]:
    return frozenset().union(*(options_of(command) for command in ("", *COMMANDS)))


def anchors(page: str) -> set[str]:
    """What a link to a heading of a page may say after the #, as GitHub makes it."""
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_two_commands_come_first_and_are_one_line_each() -> None:
    assert [body.count("\n") for language, body in blocks(README) if language == "sh"] == [1, 1]
    assert [language for language, _ in blocks(README)[:2]] == ["sh", "sh"]
    assert "g4run run demo" in blocks(README)[0][1]
    assert blocks(README)[1][1].endswith("pytest\n")


def test_the_readme_is_for_the_first_ten_minutes() -> None:
    assert README.count("\n") <= 150


def test_the_environment_table_is_the_program_s() -> None:
    assert table_under(PAGES["docs/environment.md"], "## Variables") == ENVIRONMENT_VARIABLES


def test_the_exit_codes_are_the_program_s() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, G4RunError)]
    codes = {"0", *(str(kind.exit_code) for kind in kinds)}
    assert set(table_under(PAGES["docs/chat.md"], "## Exit codes")) == codes


def test_every_command_has_a_place_and_every_command_named_exists() -> None:
    assert [command for command in COMMANDS if f"g4run {command}" not in ALL_PAGES] == []
    known = {command.split()[0] for command in COMMANDS}
    assert set(re.findall(r"(?:`|^    |\$ |\| )g4run ([a-z]+)", ALL_PAGES, re.MULTILINE)) <= known


def test_every_option_named_exists() -> None:
    named = set(re.findall(r"`(--[a-z-]+)", re.sub(r".*python -m .*", "", ALL_PAGES)))
    assert named - all_options() - FOREIGN_OPTIONS == set()
    for command in COMMANDS:
        for line in re.findall(rf"g4run {command}\b((?:(?!g4run)[^`\n|])*)", ALL_PAGES):
            assert set(re.findall(r"(?<!\S)--[a-z-]+", line)) <= options_of(command), (command, line)


def test_every_option_has_a_place() -> None:
    assert all_options() - set(re.findall(r"(?<![\w-])--[a-z-]+", ALL_PAGES)) == set()


@pytest.mark.skipif(sys.platform == "win32", reason="the examples are a POSIX shell's")
@pytest.mark.parametrize(("page", "command", "output"), tuple(examples()))
def test_an_example_prints_what_a_page_shows(page: str, command: str, output: str) -> None:
    words = shlex.split(command)
    stdin = b""
    if words[0] == "printf":
        stdin = words[1].encode().decode("unicode_escape").encode()
        words = words[3:]
    environment = dict(word.split("=", 1) for word in takewhile(lambda word: "=" in word, words))
    program, *arguments = words[len(environment) :]
    assert program == "g4run"
    printed = run_merged(arguments, stdin, environment)
    assert re.fullmatch(pattern_of(output), without_memory(printed)), f"{page}:\n{printed}"


def run_merged(arguments: Sequence[str], stdin: bytes, environment: Mapping[str, str]) -> str:
    """What a command prints at 80 columns, stdout and stderr in one."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80", **environment},
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    return done.stdout.decode().removesuffix("\n") + "\n"


def pattern_of(output: str) -> str:
    """What is shown as a regular expression; a line of three dots stands for any lines."""
    lines = without_memory(output).splitlines()
    return "".join(r"(?:.*\n)*" if line == "..." else re.escape(line) + r"\n" for line in lines)


def without_memory(text: str) -> str:
    """The text without how much memory was free, which no two machines agree on."""
    return re.sub(r"[\d.]+ of [\d.]+ GB RAM", "some of it", text)


def test_every_relative_link_leads_somewhere() -> None:
    for name, page in PAGES.items():
        for target in re.findall(r"\]\(([^)\s]+)\)", page):
            if re.match(r"https?://", target):
                continue
            path, _, anchor = target.partition("#")
            place = (ROOT / name).parent / path if path else ROOT / name
            assert place.exists(), f"{name}: {target}"
            assert not anchor or anchor in anchors(place.read_text("utf-8")), f"{name}: {target}"


def test_the_architecture_names_every_package_and_only_files_that_exist() -> None:
    page = PAGES["ARCHITECTURE.md"]
    packages = {f"{path.parent.name}/" for path in (ROOT / "g4run").glob("*/__init__.py")} - {"data/"}
    named = set(re.findall(r"`([a-z_/]+(?:/|\.py))`", page))
    assert packages <= named
    assert {name for name in named if not any((ROOT / place / name).exists() for place in ("g4run", "."))} == set()


def test_the_picture_of_the_layers_is_the_one_that_is_checked() -> None:
    modules = {path.split("/")[1].removesuffix(".py") for path in read_sources()} - {"__init__", "__main__", "data"}
    picture = blocks(PAGES["ARCHITECTURE.md"])[0][1].splitlines()
    drawn = [set(re.findall(r"\w+", line)) & modules for line in picture]
    assert drawn[::-1] == [layer & modules for layer in LAYERS if layer & modules]


def test_every_page_is_linked_from_the_readme() -> None:
    linked = set(re.findall(r"\]\(([^)#\s]+)", README))
    assert set(PAGES) - {"README.md", "docs/README.md"} <= linked


def test_the_changelog_begins_with_this_version() -> None:
    versions = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert versions[0] == __version__
