"""A drafter that was pulled with a model is used by `g4run run`, and the answer is that of the model alone."""

import json

from g4run.models.library import DEMO_PATH
from tests.e2e.people import Person
from tests.engine.requests import DRAFTER
from tests.fakes.hub import FakeHub

REPOSITORY = "acme/drafted-GGUF"
NAME = f"hf.co/{REPOSITORY}:F16"
QUESTION = ("Tell me about the engine.", "--temperature", "0", "--json")  # nothing in its answer can be looked up


def test_a_pulled_drafter_drafts_without_changing_the_answer(person: Person, hub: FakeHub) -> None:
    hub.add_repository(REPOSITORY, {"drafted-F16.gguf": DEMO_PATH, "MTP/mtp-drafted.gguf": DRAFTER})
    assert person.types("pull", NAME, "--drafter").code == 0
    alone = json.loads(person.types("run", "demo", *QUESTION).stdout)
    drafted = json.loads(person.types("run", NAME, *QUESTION).stdout)
    assert drafted["content"] == alone["content"]
    assert alone["usage"]["drafted_tokens"] == 0
    assert 0 < drafted["usage"]["accepted_tokens"] <= drafted["usage"]["drafted_tokens"]
