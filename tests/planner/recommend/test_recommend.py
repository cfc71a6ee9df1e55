from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace

from g4run.errors import DoesNotFit, UsageError
from g4run.hardware.machine import GpuProcess, Machine
from g4run.hardware.machine_json import parse_machine
from g4run.hardware.memory import Memory
from g4run.kv_types import KvType
from g4run.models.catalog.catalog import read_catalog
from g4run.models.names.types import Size
from g4run.models.quantizations import FileRole
from g4run.models.store.records import Origin, Record, StoredFile
from g4run.planner.memory.margins import main_memory_margin
from g4run.planner.recommend.candidates import INFERRED_STEPS, Candidate, Verdict
from g4run.planner.recommend.goals import Goal, Preference, RecommendRequest, is_as_fast
from g4run.planner.recommend.quality import Loss
from g4run.planner.recommend.recommend import Recommendation, recommend
from g4run.planner.speed.measured import MeasuredSpeed, known_digests, machine_id_of, model_digest_of, settings_key_of
from g4run.planner.values import SpeedSource
from g4run.units import render_bytes
from tests.fakes.stores import SUMMARY, TIME
from tests.hardware.recorded import load_expected
from tests.planner.golden_table import NOWHERE
from tests.planner.known_machines import GIB, known_machines, make_machine

CATALOG = read_catalog(NOWHERE)
MACHINES = dict(known_machines())
RTX_4090 = MACHINES["desktop, RTX 4090 24 GB, 64 GB"]
LAPTOP = MACHINES["laptop, no GPU, 8 GB"]
TINY = make_machine(1, 2, 10)


def ask(machine: Machine, request: RecommendRequest | None = None) -> Recommendation:
    return recommend(CATALOG, machine, request or RecommendRequest())


def best_of(machine: Machine, request: RecommendRequest | None = None) -> Candidate:
    return ask(machine, request).require_best()


def test_the_choice_fits_and_names_a_much_faster_size_that_is_nearly_as_good() -> None:
    best = best_of(RTX_4090)
    assert (best.file.name, best.verdict, best.fits) == ("gemma4:31b-qat-q4_0", Verdict.BEST, True)
    others = ask(RTX_4090).alternatives
    faster = next(other for other in others if other.file.size is Size.A4B_26B)
    assert best.reason == (
        f"the best of {1 + sum(other.fits for other in others)} files that fit; trained for 4 bits, so about as good "
        f"as 5-bit files; 26B A4B: {faster.speed.generation.expected:.0f} tokens/s at 97% of its score"
    )


def test_with_quality_preferred_a_better_file_that_is_too_slow_is_offered() -> None:
    best = best_of(MACHINES["desktop, no GPU, 64 GB"], RecommendRequest(preference=Preference.QUALITY))
    assert best.speed.generation.expected > 4
    assert best.reason.endswith("tokens/s too slow for a chat")


def test_all_alternatives_are_in_order_with_one_line_reasons() -> None:
    found = ask(RTX_4090)
    names = [candidate.file.name for candidate in (found.require_best(), *found.alternatives)]
    assert len(names) == len(set(names)) > 100
    ranks = [(not other.fits, -other.usefulness, other.file.size_bytes) for other in found.alternatives]
    assert all(one <= two for one, two in pairwise(ranks))
    assert [other.file.name for other in found.alternatives if not other.reason or "\n" in other.reason] == []


def test_the_same_question_has_the_same_answer() -> None:
    assert ask(LAPTOP) == ask(LAPTOP)


def test_reasons_against_alternatives() -> None:
    found = ask(RTX_4090, RecommendRequest(minimum_speed=30))
    reasons = {other.file.name: (other.verdict, other.reason) for other in found.alternatives}
    best, e2b = found.require_best(), next(o for o in found.alternatives if o.file.name == "gemma4:e2b-qat-q4_0")
    speeds = f"{e2b.speed.generation.expected:.0f} instead of {best.speed.generation.expected:.0f} tokens/s"
    assert reasons["gemma4:e2b-qat-q4_0"] == (Verdict.WORSE, f"faster, {speeds}, but a smaller model")
    slow = next(other for other in found.alternatives if other.file.name == "hf.co/ggml-org/gemma-4-31B-it-GGUF:Q8_0")
    rate = f"{slow.speed.generation.expected:.1f} tokens/s"
    assert (slow.verdict, slow.reason) == (Verdict.TOO_SLOW, f"{rate}, less than the wanted 30")
    smaller = next(o for o in ask(RTX_4090).alternatives if o.file.name == "gemma4:31b-iq3_xxs")
    assert smaller.reason.endswith("but its quantization loses more")


def test_a_file_that_does_not_fit_names_the_missing_memory() -> None:
    other = next(o for o in ask(LAPTOP).alternatives if o.file.name == "gemma4:31b-qat-q4_0")
    (cpu,) = other.plan.ledger.devices
    assert (other.verdict, other.fits) == (Verdict.NO_ROOM, False)
    assert other.reason == (
        f"needs {cpu.total_bytes / 1e9:.1f} GB of main memory and {render_bytes(cpu.margin_bytes)} to spare, "
        f"{cpu.free_bytes / 1e9:.1f} GB free"
    )


def test_preferring_quality_is_slower_and_preferring_speed_smaller() -> None:
    machine = MACHINES["desktop, RTX 3060 12 GB, 32 GB"]
    balanced = best_of(machine)
    quality = best_of(machine, RecommendRequest(preference=Preference.QUALITY))
    speed = best_of(machine, RecommendRequest(preference=Preference.SPEED))
    assert quality.worth >= balanced.worth >= speed.worth
    assert quality.speed.generation.expected < balanced.speed.generation.expected
    assert balanced.speed.generation.expected <= speed.speed.generation.expected


def test_a_requested_size_does_not_fix_the_quantization() -> None:
    best = best_of(RTX_4090, RecommendRequest(size=Size.A4B_26B, preference=Preference.QUALITY))
    assert best.file.size is Size.A4B_26B
    assert best.quality.loss is Loss.NEAR_LOSSLESS


@pytest.mark.parametrize("goal", [Goal.CODE, Goal.LONG_CONTEXT])
def test_a_goal_gets_its_context(goal: Goal) -> None:
    assert (
        best_of(RTX_4090, RecommendRequest(goal)).plan.settings.context
        == {
            Goal.CODE: 32768,
            Goal.LONG_CONTEXT: 131072,
        }[goal]
    )


def test_a_shrunk_context_is_in_the_reason() -> None:
    machine = make_machine(4, 4, 50, available_gib=2.0)
    best = best_of(machine, RecommendRequest(Goal.LONG_CONTEXT))
    assert best.plan.settings.context < 131072
    assert best.plan.settings.kv_type is KvType.F16
    assert "nothing fits with a context of 131,072 tokens" in best.reason.split("; ")


def test_a_quantized_cache_is_in_the_reason() -> None:
    request = RecommendRequest(size=Size.E2B, context=131072)
    machines = [make_machine(4, 4, 50, available_gib=1.5 + step / 20) for step in range(30)]
    choices = [best for machine in machines if (best := ask(machine, request).best)]
    smaller = [best for best in choices if best.plan.settings.kv_type is KvType.Q8_0]
    assert smaller
    assert all("a q8_0 cache, because nothing fits with f16" in best.reason.split("; ") for best in smaller)
    assert choices[-1].plan.settings.kv_type is KvType.F16


def test_a_slow_machine_gets_the_most_useful_file_and_the_truth() -> None:
    found = ask(make_machine(16, 1, 2))
    best = found.require_best()
    fitting = [best, *(other for other in found.alternatives if other.fits)]
    assert max(other.speed.generation.expected for other in fitting) < 4
    assert best.usefulness == max(other.usefulness for other in fitting)
    assert "slower than you read" in best.reason.split("; ")


def test_a_difference_within_the_error_never_decides_against_quality() -> None:
    """Whatever the memory's bandwidth, no better file that is as fast within its error is left out."""
    for bandwidth in range(20, 140, 6):
        found = ask(make_machine(32, 8, bandwidth))
        best = found.require_best()
        better = [other for other in found.alternatives if other.fits and other.worth > best.worth + 0.15]
        assert [o.file.name for o in better if is_as_fast(o.speed, best.speed, Goal.CHAT)] == []


def test_a_little_more_bandwidth_never_costs_a_size() -> None:
    """No cliff: a machine that is faster by a hundredth gets a model as large or larger, as long as memory is equal."""
    sizes = [best_of(make_machine(32, 8, 20 * 1.01**step)).file.parameters for step in range(0, 150, 3)]
    assert sizes == sorted(sizes)


def test_a_confirmed_file_wins_unless_another_is_better_by_a_size() -> None:
    choices = [ask(machine) for machine in list(MACHINES.values())[::4]]
    inferred = [found for found in choices if found.best and not found.best.file.path_is_confirmed]
    for found in inferred:
        best = found.require_best()
        assert best.worth == best.quality.steps - INFERRED_STEPS
        assert all(o.usefulness <= best.usefulness for o in found.alternatives if o.fits and o.file.path_is_confirmed)
    assert len(inferred) < len(choices) / 4


def test_an_unreachable_requested_speed_fails() -> None:
    found = ask(LAPTOP, RecommendRequest(minimum_speed=500))
    assert found.best is None
    with pytest.raises(DoesNotFit, match=r"^nothing that fits reaches 500 tokens/s: the fastest, gemma4:e2b\S*, has"):
        found.require_best()


def test_if_nothing_fits_the_error_names_the_smallest_file() -> None:
    found = ask(TINY)
    assert (found.best, found.after_freeing) == (None, ())
    with pytest.raises(DoesNotFit) as caught:
        found.require_best()
    smallest = min(found.alternatives, key=lambda other: other.used_bytes("cpu"))
    assert caught.value.message == (
        f"nothing fits: the smallest, {smallest.file.name} with a context of 4,096 tokens, needs "
        f"{smallest.used_bytes('cpu') / 1e9:.1f} GB of main memory and 250.0 MB to spare, 912.7 MB free"
    )
    assert caught.value.exit_code == 4


def test_a_context_beyond_all_trained_ones_fails() -> None:
    with pytest.raises(DoesNotFit, match=r"trained for a context of 300,000 tokens$"):
        ask(RTX_4090, RecommendRequest(context=300_000)).require_best()


def test_a_size_without_audio_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^26B A4B does not take audio: E2B, E4B, 12B do$"):
        ask(RTX_4090, RecommendRequest(Goal.AUDIO, size=Size.A4B_26B))


def test_memory_of_a_shared_memory_gpu_must_be_freed_too() -> None:
    machine = parse_machine(load_expected("apple-16"))
    first = ask(machine, RecommendRequest(size=Size.DENSE_12B)).after_freeing[0]
    devices = first.plan.ledger.devices
    assert [device.kind for device in devices] == ["gpu", "cpu"]
    needed = sum(device.total_bytes for device in devices) + main_memory_margin(machine)
    missing = needed - machine.memory.available_bytes
    assert first.freeing.startswith(f"{render_bytes(missing)} more of main memory, in use by ")


def test_files_that_fit_after_freeing_name_the_programs() -> None:
    found = ask(MACHINES["desktop, RTX 4090 busy (20 GB held), 32 GB"])
    first = found.after_freeing[0]
    assert (first.file.name, first.fits, first.verdict) == ("gemma4:31b-qat-q4_0", False, Verdict.AFTER_FREEING)
    margin = int(24 * GIB * 0.02)
    missing = first.used_bytes("gpu") + margin - (int(24 * GIB * 0.97) - 20 * 10**9)
    assert first.freeing == (
        f"{missing / 1e9:.1f} GB more on NVIDIA GeForce RTX 4090, in use by ollama (18.0 GB), steam (2.0 GB)"
    )
    assert len({other.file.size for other in found.after_freeing}) == len(found.after_freeing) <= 3


def test_programs_in_main_memory_are_named_too() -> None:
    full = replace(
        LAPTOP,
        memory=Memory(32 * GIB, 1 * GIB, None),
        memory_processes=(GpuProcess(1, "firefox", 20 * 10**9),),
    )
    found = ask(full)
    assert found.best is None
    assert found.after_freeing[0].freeing.endswith(" more of main memory, in use by firefox (20.0 GB)")
    with pytest.raises(DoesNotFit) as caught:
        found.require_best()
    first = found.after_freeing[0]
    assert caught.value.hint == f"{first.file.name} would fit with {first.freeing}"


def test_an_idle_machine_has_nothing_to_free() -> None:
    assert ask(MACHINES["desktop, no GPU, 32 GB"]).after_freeing == ()


def test_a_measured_speed_replaces_the_estimate_and_may_change_the_choice() -> None:
    before = best_of(RTX_4090)
    measured = MeasuredSpeed(
        machine_id=machine_id_of(RTX_4090),
        model_digest=model_digest_of(before.plan.shape),
        settings_key=settings_key_of(before.plan.settings),
        generation_tokens_per_second=1.0,
        prompt_tokens_per_second=10.0,
        measured_at=0.0,
        position=4096,
    )
    found = recommend(CATALOG, RTX_4090, RecommendRequest(), measured=(measured,))
    assert found.require_best().file != before.file
    slow = next(other for other in found.alternatives if other.file == before.file)
    assert (slow.speed.source, slow.verdict) == (SpeedSource.MEASURED, Verdict.SLOWER)
    assert slow.speed.generation.expected == pytest.approx(1.0)


def record_of(candidate: Candidate, sha256: str | None) -> Record:
    """Return the store's record of a pulled candidate; publishers' names vary in case."""
    place = candidate.file.repository.upper(), None, candidate.file.path.upper()
    size = candidate.file.size_bytes
    files = (
        StoredFile(FileRole.MODEL, Path("x.gguf"), size, sha256, Origin.DOWNLOADED, *place),
        StoredFile(FileRole.PROJECTOR, Path("y.gguf"), 1, "projector", Origin.DOWNLOADED, place[0], None, "y.gguf"),
    )
    return Record(candidate.file.name, files, SUMMARY, place[0], None, None, TIME, TIME)


def test_a_file_run_here_is_known_by_the_stores_digest() -> None:
    """The catalog has no digest for most files; a run remembers the store's."""
    before = next(
        candidate
        for candidate in ask(LAPTOP).alternatives
        if candidate.fits and candidate.file.name == "gemma4:e4b-q6_k"
    )
    measured = MeasuredSpeed(
        machine_id=machine_id_of(LAPTOP),
        model_digest="d" * 64,
        settings_key=settings_key_of(before.plan.settings),
        generation_tokens_per_second=77.0,
        prompt_tokens_per_second=770.0,
        measured_at=0.0,
        position=before.plan.settings.context // 2,
    )
    digests = known_digests([record_of(before, "d" * 64)])
    best = recommend(CATALOG, LAPTOP, RecommendRequest(), measured=(measured,), digests=digests).require_best()
    assert (best.file, best.plan.shape.digest) == (before.file, "d" * 64)
    assert best.speed.source is SpeedSource.MEASURED
    assert best.speed.generation.expected == pytest.approx(77.0)
    assert recommend(CATALOG, LAPTOP, RecommendRequest(), measured=(measured,)) == ask(LAPTOP)


def test_only_hub_files_with_a_digest_are_known() -> None:
    best = best_of(LAPTOP)
    whole = record_of(best, "d" * 64)
    imported = replace(whole, files=(replace(whole.files[0], repository=None, repository_path=None),))
    assert known_digests([record_of(best, None), imported]) == {}
    assert known_digests([whole]) == {(best.file.repository.lower(), best.file.path.lower()): "d" * 64}


def test_of_two_equal_cards_the_one_without_memory_is_named() -> None:
    cards = MACHINES["desktop, two RTX 3090, 64 GB"]
    first, second = cards.gpus
    held = GpuProcess(1, "ollama", 23 * 10**9)
    busy = replace(cards, gpus=(first, replace(second, free_bytes=10**9, processes=(held,))))
    freed = ask(busy, RecommendRequest(context=131_072)).after_freeing[0]
    assert {device.name for device in freed.plan.ledger.devices} == {
        f"{first.name} #1",
        f"{second.name} #2",
        "CPU",
    }
    assert freed.freeing.endswith(f" more on {second.name} #2, in use by ollama (23.0 GB)")
