from dataclasses import replace

from g4run.kv_types import KvType
from g4run.models.catalog.catalog import read_catalog
from g4run.models.names.parse import parse_name
from g4run.models.names.types import FamilyName, HubName, Size
from g4run.planner.placement import missing_bytes, plan_model
from g4run.planner.recommend.candidates import Candidate, Question, choose_files, find_candidates
from g4run.planner.recommend.goals import Attempt, Goal, RecommendRequest
from g4run.planner.speed.speed import estimate_speed
from g4run.planner.values import DeviceLedger, Ledger, PlanRequest
from tests.planner.golden_table import NOWHERE
from tests.planner.known_machines import known_machines

CATALOG = read_catalog(NOWHERE)
MACHINES = dict(known_machines())
DESKTOP = MACHINES["desktop, RTX 4070 12 GB, 32 GB"]
APPLE = MACHINES["Apple M2, 16 GB"]


def ask(request: RecommendRequest, context: int = 8192, kv_type: KvType = KvType.F16) -> tuple[Candidate, ...]:
    return find_candidates(CATALOG, Question(DESKTOP, request, Attempt(context, kv_type)))


def device(name: str, kind: str, total: int, free: int) -> DeviceLedger:
    return DeviceLedger(name, kind, total, 0, 0, 0, 0, 0, 0, free, 0 if kind == "gpu" else None)


def test_each_size_and_quantization_above_q2_k_appears_once() -> None:
    found = [(candidate.file.size, candidate.file.quantization) for candidate in ask(RecommendRequest())]
    assert len(found) == len(set(found)) > 100
    assert {size for size, _ in found} == set(Size)
    assert not [tag for _, tag in found if "Q2" in tag or "Q1" in tag]


def test_a_candidates_name_resolves_to_its_file() -> None:
    for candidate in ask(RecommendRequest()):
        name = parse_name(candidate.file.name)
        if isinstance(name, FamilyName):
            assert CATALOG.resolve(name) == candidate.file
        else:
            assert isinstance(name, HubName)


def test_quantization_aware_trained_files_replace_ordinary_ones() -> None:
    chosen = {file.quantization: file for file in choose_files(CATALOG.available(Size.A4B_26B))}
    assert chosen["Q4_0"].repository == "google/gemma-4-26B-A4B-it-qat-q4_0-gguf"
    assert chosen["UD-Q4_K_XL"].is_qat
    first = next(file for file in CATALOG.available(Size.A4B_26B) if file.quantization == "Q8_0")
    assert chosen["Q8_0"] == first


def test_a_candidate_is_planned_as_loaded_with_speed_at_half_its_context() -> None:
    candidate = next(c for c in ask(RecommendRequest(), 32768, KvType.Q8_0) if c.file.name == "gemma4:12b-qat-q4_0")
    plan = plan_model(candidate.plan.shape, DESKTOP, PlanRequest(context=32768, kv_type=KvType.Q8_0))
    assert candidate.plan == plan
    assert candidate.speed == estimate_speed(plan, DESKTOP, position=16384)
    gpu, cpu = plan.ledger.devices
    assert (candidate.used_bytes("gpu"), candidate.free_bytes("gpu")) == (gpu.total_bytes, gpu.free_bytes)
    assert (candidate.used_bytes("cpu"), candidate.free_bytes("cpu")) == (cpu.total_bytes, cpu.free_bytes)


def test_the_projector_counts_only_if_used() -> None:
    assert {candidate.plan.shape.projector_bytes for candidate in ask(RecommendRequest())} == {0}
    seeing = ask(RecommendRequest(Goal.VISION))
    assert all(candidate.plan.shape.projector_bytes > 50 * 10**6 for candidate in seeing)
    known = next(candidate for candidate in seeing if candidate.file.name == "gemma4:31b-q4_k_m")
    assert known.file.projector is not None
    assert known.plan.shape.projector_bytes == known.file.projector.size_bytes


def test_only_three_sizes_have_audio() -> None:
    assert {candidate.file.size for candidate in ask(RecommendRequest(Goal.AUDIO))} == {
        Size.E2B,
        Size.E4B,
        Size.DENSE_12B,
    }


def test_no_size_exceeds_its_trained_context() -> None:
    sizes = {candidate.file.size for candidate in ask(RecommendRequest(), 131073)}
    assert sizes == {Size.DENSE_12B, Size.A4B_26B, Size.DENSE_31B}
    assert ask(RecommendRequest(), 262145) == ()


def test_a_size_can_be_requested() -> None:
    assert {candidate.file.size for candidate in ask(RecommendRequest(size=Size.E4B))} == {Size.E4B}


def test_files_that_cannot_be_useful_enough_are_left_out() -> None:
    question = Question(DESKTOP, RecommendRequest(), Attempt(8192, KvType.F16))
    everything = find_candidates(CATALOG, question)
    least = sorted(candidate.usefulness for candidate in everything)[-10]
    some = find_candidates(CATALOG, replace(question, min_usefulness=least))
    better = {candidate.file.name for candidate in everything if candidate.usefulness > least}
    assert better <= {candidate.file.name for candidate in some}
    assert len(some) < len(everything)


def test_missing_bytes_of_all_devices() -> None:
    ledger = Ledger((device("GPU", "gpu", 10, 7), device("CPU", "cpu", 5, 4), device("CPU", "cpu", 1, 9)))
    assert missing_bytes(ledger) == 4


def test_the_command_has_a_context_other_than_the_default() -> None:
    def command(context: int) -> str:
        return next(c.command for c in ask(RecommendRequest(), context) if c.file.name == "gemma4:e4b-qat-q4_0")

    assert command(8192) == "g4run chat gemma4:e4b-qat-q4_0"
    assert command(32768) == "g4run chat gemma4:e4b-qat-q4_0 --ctx 32768"


def test_the_command_has_settings_that_chat_would_not_choose() -> None:
    usual, small = (
        next(iter(ask(RecommendRequest(size=Size.E2B), context, kv_type)))
        for context, kv_type in ((8192, KvType.F16), (16384, KvType.Q8_0))
    )
    assert usual.command == f"g4run chat {usual.file.name}"
    assert small.command == f"g4run chat {small.file.name} --ctx 16384 --kv q8_0"
