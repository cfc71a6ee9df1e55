"""The README and the changelog say what the program does."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from g4run import __version__, errors
from g4run.errors import G4RunError
from g4run.settings import ENVIRONMENT_VARIABLES
from tests.e2e.processes import run_g4run

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)

COMMANDS = [["run"], ["chat"], ["pull"], ["list"], ["show"], ["rm"], ["cp"], ["import"], ["verify"]]
COMMANDS += [["outdated"], ["prune"], ["catalog", "refresh"], ["hardware"], ["plan"], ["recommend"]]


def examples() -> list[tuple[str, str]]:
    """Each `$ command` of the README's plain blocks, and what it prints there."""
    sessions = "".join(body for language, body in BLOCKS if not language)
    parts = re.split(r"^\$ ", sessions, flags=re.MULTILINE)[1:]
    return [(command, output) for command, _, output in (part.partition("\n") for part in parts)]


def table_under(heading: str) -> dict[str, str]:
    """The first two columns of the first table below a heading."""
    section = README.partition(f"{heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| (.+?) \|", section, re.MULTILINE)
    return {first.strip("`"): second for first, second in rows[2:]}


def test_the_two_commands_come_first_and_are_one_line_each() -> None:
    assert [body.count("\n") for language, body in BLOCKS if language == "sh"] == [1, 1]
    assert [language for language, _ in BLOCKS[:2]] == ["sh", "sh"]
    assert "g4run run demo" in BLOCKS[0][1]
    assert BLOCKS[1][1].endswith("pytest\n")


def test_the_environment_table_is_the_program_s() -> None:
    assert table_under("## Environment") == ENVIRONMENT_VARIABLES


def test_the_exit_codes_are_the_program_s() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, G4RunError)]
    codes = {"0", *(str(kind.exit_code) for kind in kinds)}
    assert set(table_under("## One answer: `g4run run`")) == codes


def test_every_command_is_in_the_readme_with_every_option_it_names() -> None:
    for command in COMMANDS:
        assert f"g4run {' '.join(command)}" in README, command
    for command in re.findall(r"`g4run ([a-z]+)", README):
        assert [command] in [known[:1] for known in COMMANDS], command


def test_every_option_in_the_readme_exists() -> None:
    known = set()
    for command in ([], *COMMANDS):
        known |= set(re.findall(r"--[a-z-]+", run_g4run(*command, "--help").stdout))
    named = set()
    for line in re.findall(r"g4run [a-z]+ [^`\n]*", README):
        named |= set(re.findall(r"(?<!\S)--[a-z-]+", line))
    named |= set(re.findall(r"`(--[a-z-]+)", README))
    assert named - known - {"--force-reinstall"} == set()


@pytest.mark.skipif(sys.platform == "win32", reason="the examples are a POSIX shell's")
@pytest.mark.parametrize(("command", "output"), examples(), ids=[command for command, _ in examples()])
def test_an_example_prints_what_the_readme_shows(command: str, output: str) -> None:
    words = shlex.split(command)
    stdin = b""
    if words[0] == "printf":
        stdin = words[1].encode().decode("unicode_escape").encode()
        words = words[3:]
    assert words[0] == "g4run"
    ended = run_g4run(*words[1:], stdin=stdin, environment={"COLUMNS": "80"})
    printed = ended.stderr + ended.stdout
    assert without_memory(printed.removesuffix("\n") + "\n") == without_memory(output)


def without_memory(text: str) -> str:
    """The text without how much memory was free, which no two machines agree on."""
    return re.sub(r"[\d.]+ of [\d.]+ GB RAM", "some of it", text)


def test_the_changelog_begins_with_this_version() -> None:
    versions = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert versions[0] == __version__
