"""What `g4run chat` talks to where no model is named, on machines composed for the tests of the detectors."""

import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec import structs
from msgspec.structs import replace

from g4run.cli.terminal.choose_model import choose_chat_model, render_demo, render_offer
from g4run.models.catalog.values import CatalogFile, CompanionFile
from g4run.models.library import DEMO_PATH, Library, ModelFile
from g4run.models.names.parse import parse_name
from g4run.models.names.types import FamilyName, Size
from g4run.models.pull.target import PullRequest
from g4run.models.quantizations import FileRole
from g4run.models.store.records import Origin, Record, StoredFile, Summary, timestamp
from g4run.planner.recommend.goals import RecommendRequest
from g4run.planner.recommend.recommend import recommend
from g4run.runtime.choose_file import MeasuredMachine
from g4run.settings import Settings
from tests.fakes.streams import RecordedOutput
from tests.hardware.recorded import load_recorded

OFFER = "Gemma 4 26B A4B in Q4_0 suits this machine best (about "
QUESTION = "Download it now? [Y/n] "
DEMO_LINE = "using the built-in demo; for a real model: g4run pull gemma4:26b-qat-q4_0\n"


@dataclass(slots=True)
class Person:
    """Somebody with an empty store and a machine whose best is 26B A4B, who types into a chat without a name."""

    library: Library
    known: MeasuredMachine | None
    output: RecordedOutput = field(default_factory=lambda: RecordedOutput(terminal=True))
    fetched: list[PullRequest] = field(default_factory=list)

    def chats(self, typed: str | None, request: RecommendRequest | None = None) -> ModelFile:
        answers = None if typed is None else io.StringIO(typed)
        wanted = request or RecommendRequest()
        return choose_chat_model(self.library, self.known, wanted, self.output.notes, answers, self.fetch)

    def fetch(self, request: PullRequest) -> Record:
        self.fetched.append(request)
        parsed = parse_name(request.name)
        assert isinstance(parsed, FamilyName)
        return self.keep(parsed.text, request.entry or self.library.catalog.resolve(parsed))

    def keep(self, name: str, file: CatalogFile) -> Record:
        """Have a file of the catalog under a name; its bytes are the demo's."""
        path = self.library.settings.data_directory / f"{file.quantization}.gguf"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(DEMO_PATH, path)
        stored = StoredFile(
            FileRole.MODEL, path, file.size_bytes, None, Origin.DOWNLOADED, file.repository, "c" * 40, file.path
        )
        label = self.library.catalog.facts(file.size).label
        summary = Summary(label, file.parameters, 131072, file.quantization, True)
        record = Record(name, (stored,), summary, file.repository, "c" * 40, None, timestamp(), timestamp())
        self.library.store.save(record)
        return record

    @property
    def best(self) -> CatalogFile:
        assert self.known is not None
        return recommend(self.library.catalog, self.known.machine, RecommendRequest()).require_best().file


@pytest.fixture
def person(tmp_path: Path) -> Person:
    known = MeasuredMachine(load_recorded("apple-64", tmp_path / "machine").inspect())
    return Person(Library(Settings(tmp_path / "data", tmp_path / "logs", home_directory=tmp_path)), known)


@pytest.mark.parametrize("typed", ["\n", "y\n", " Yes \n", "what?\n\n"])
def test_whoever_agrees_gets_the_best_under_its_size_s_name(person: Person, typed: str) -> None:
    assert person.chats(typed).name == "gemma4:26b"
    assert person.fetched == [PullRequest("gemma4:26b", entry=person.best)]
    questions = QUESTION * (1 + typed.startswith("what?"))
    assert person.output.stderr.startswith(OFFER)
    assert person.output.stderr.endswith(f" download).\n{questions}")


@pytest.mark.parametrize(("typed", "end"), [("n\n", ""), ("No\n", ""), ("", "\n")])
def test_whoever_does_not_gets_the_demo_and_is_told(person: Person, typed: str, end: str) -> None:
    assert (person.chats(typed).name, person.fetched) == ("demo", [])
    assert person.output.stderr.endswith(f"{QUESTION}{end}{DEMO_LINE}")


def test_in_a_pipe_nobody_is_asked(person: Person) -> None:
    assert person.chats(None).name == "demo"
    assert person.output.stderr == DEMO_LINE


def test_offline_nobody_is_asked(person: Person) -> None:
    person.library = Library(replace(person.library.settings, is_offline=True))
    assert person.chats("y\n").name == "demo"
    assert (person.output.stderr, person.fetched) == (DEMO_LINE, [])


def test_on_an_unknown_machine_the_default_is_named_and_the_newest_taken(person: Person) -> None:
    person.known = None
    default = person.library.catalog.facts(Size.E4B).default
    assert person.chats("y\n").name == "demo"
    assert (person.output.stderr, person.fetched) == (render_demo(default), [])
    person.keep("gemma4:31b", person.library.catalog.facts(Size.DENSE_31B).default)
    assert person.chats("y\n").name == "gemma4:31b"


def test_what_is_here_answers_at_once(person: Person) -> None:
    person.keep("mine", person.best)
    person.keep("gemma4:e2b", person.library.catalog.facts(Size.E2B).default)
    assert (person.chats("").name, person.output.stderr) == ("mine", "")


def test_a_clearly_better_one_is_mentioned(person: Person) -> None:
    person.keep("gemma4:e2b", person.library.catalog.facts(Size.E2B).default)
    assert person.chats("").name == "gemma4:e2b"
    assert person.output.stderr == "clearly better on this machine: g4run pull gemma4:26b-qat-q4_0\n"


def test_what_does_not_fit_is_as_if_it_were_not_here(person: Person) -> None:
    bf16 = next(file for file in person.library.catalog.available(Size.DENSE_31B) if file.quantization == "BF16")
    person.keep("gemma4:31b", bf16)
    assert person.chats("n\n").name == "demo"
    assert person.output.stderr.startswith(f"no installed model fits in the memory that is free now\n{OFFER}")


def test_a_name_that_is_taken_is_left_alone(person: Person) -> None:
    bf16 = next(file for file in person.library.catalog.available(Size.A4B_26B) if file.quantization == "BF16")
    person.keep("gemma4:26b", bf16)
    assert person.chats("y\n").name == "gemma4:26b-qat-q4_0"
    assert person.fetched == [PullRequest("gemma4:26b-qat-q4_0")]


def test_where_nothing_fits_the_demo_says_so(person: Person) -> None:
    assert person.chats("y\n", RecommendRequest(context=10**6)).name == "demo"
    assert (person.output.stderr, person.fetched) == (
        "using the built-in demo: no other model fits now; g4run recommend says why\n",
        [],
    )


@pytest.mark.parametrize("size", Size)
def test_lines_fit_a_terminal_of_80_columns(person: Person, size: Size) -> None:
    for file in person.library.catalog.available(size):
        if file.name.startswith("gemma4:"):
            assert max(map(len, render_offer(file, person.library.catalog).splitlines())) <= 80
            assert max(map(len, render_demo(file).splitlines())) <= 80


def projector(size_bytes: int | None, *, is_exact: bool) -> CompanionFile:
    return CompanionFile("acme/z", "mmproj.gguf", size_bytes, is_exact, None, True)


@pytest.mark.parametrize(
    ("change", "amount"),
    [
        (lambda file: structs.replace(file, projector=None), "2.0 GB"),
        (lambda file: structs.replace(file, projector=projector(10**9, is_exact=True)), "3.0 GB"),
        (lambda file: structs.replace(file, projector=projector(10**9, is_exact=False)), "about 3.0 GB"),
        (lambda file: structs.replace(file, projector=None, size_is_exact=False), "about 2.0 GB"),
    ],
)
def test_an_offer_says_what_is_to_be_fetched(
    person: Person, change: Callable[[CatalogFile], CatalogFile], amount: str
) -> None:
    file = structs.replace(person.library.catalog.facts(Size.E4B).default, size_bytes=2 * 10**9, size_is_exact=True)
    assert render_offer(change(file), person.library.catalog) == (
        f"Gemma 4 E4B in Q4_0 suits this machine best ({amount} download).\n"
    )
