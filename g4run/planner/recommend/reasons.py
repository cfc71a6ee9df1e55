"""Explain why a candidate was chosen, why others were not, and what is missing if none is suitable."""

from collections.abc import Sequence
from dataclasses import replace

from g4run.errors import DoesNotFit
from g4run.hardware.machine import GpuKind, GpuProcess, Machine
from g4run.planner.memory.layer_split import usable_gpus
from g4run.planner.memory.margins import main_memory_margin
from g4run.planner.placement import missing_bytes
from g4run.planner.recommend.candidates import Candidate, Question, Verdict
from g4run.planner.recommend.goals import Preference, RecommendRequest, attempts, reaches_minimum
from g4run.planner.recommend.quality import EQUAL_STEPS
from g4run.planner.values import DeviceLedger, Placement
from g4run.units import render_bytes, render_count

_EQUAL_SPEEDS = 1.1  # a difference of 10 % is within the error of the prediction
_READING_SPEED = 4.0  # tokens per second, below which nobody chats. Assumed
_MUCH_FASTER, _NEARLY_AS_GOOD = 1.5, 0.9  # of the choice's speed, and of its score
PLACES = {
    Placement.GPU: "all on the GPU",
    Placement.PARTIAL: "partly on the GPU",
    Placement.EXPERTS_ON_CPU: "experts on the CPU, the rest on the GPU",
    Placement.CPU: "on the CPU",
}


def explain_best(best: Candidate, others: Sequence[Candidate], question: Question) -> Candidate:
    """Return the choice with its reason: what it is best at, and which compromises it takes."""
    reason = "; ".join((*_strengths(best, others, question.request), *_compromises(best, question)))
    return replace(best, verdict=Verdict.BEST, reason=reason)


def explain(candidate: Candidate, best: Candidate | None, request: RecommendRequest) -> Candidate:
    """Return a candidate that was not chosen with the reason, in one line."""
    verdict, reason = _judge(candidate, best, request)
    return replace(candidate, verdict=verdict, reason=reason)


def _judge(candidate: Candidate, best: Candidate | None, request: RecommendRequest) -> tuple[Verdict, str]:
    if not candidate.fits:
        return Verdict.NO_ROOM, missing_memory(candidate)
    if not reaches_minimum(candidate.speed, request):
        speed = render_speed(_speed(candidate))
        return Verdict.TOO_SLOW, f"{speed} tokens/s, less than the wanted {request.minimum_speed:g}"
    return (Verdict.EQUAL, "") if best is None else _compare(candidate, best)


def missing_memory(candidate: Candidate) -> str:
    """Describe which device lacks how much memory."""
    lacking = [device for device in candidate.plan.ledger.devices if not device.fits]
    return " and ".join(f"needs {_need(device)}" for device in lacking)


def no_recommendation(
    alternatives: Sequence[Candidate], after_freeing: Sequence[Candidate], request: RecommendRequest
) -> DoesNotFit:
    """Return the error if nothing is suitable: what is missing, and which file is the smallest or the fastest."""
    fitting = [candidate for candidate in alternatives if candidate.fits]
    if fitting:
        fastest = max(fitting, key=_speed)
        return DoesNotFit(
            f"nothing that fits reaches {request.minimum_speed:g} tokens/s: the fastest, {fastest.file.name}, has "
            f"about {render_speed(_speed(fastest))}",
            f"g4run recommend --min-speed {render_speed(_speed(fastest) * 0.9)}",
        )
    if not alternatives:
        return DoesNotFit(
            f"no suitable Gemma 4 was trained for a context of {render_count(request.wanted_context)} tokens",
            "g4run recommend --ctx 131072",
        )
    smallest = min(alternatives, key=lambda candidate: (missing_bytes(candidate.plan.ledger), candidate.file.name))
    return DoesNotFit(
        f"nothing fits: the smallest, {smallest.file.name} with a context of "
        f"{render_count(smallest.plan.settings.context)} tokens, {missing_memory(smallest)}",
        f"{after_freeing[0].file.name} would fit with {after_freeing[0].freeing}" if after_freeing else _hint(request),
    )


def memory_to_free(candidate: Candidate, machine: Machine) -> str:
    """Describe the memory that a plan for the idle machine lacks now, and which programs use it; empty if none."""
    gpus, in_main_memory, parts = usable_gpus(machine), 0, []
    for device in candidate.plan.ledger.devices:
        if device.gpu is None or gpus[device.gpu].kind is not GpuKind.DISCRETE:
            in_main_memory += device.total_bytes
        else:
            gpu = gpus[device.gpu]
            parts.append(
                _used_memory(
                    device.total_bytes + device.margin_bytes - gpu.free_bytes, f"on {device.name}", gpu.processes
                )
            )
    missing = in_main_memory + main_memory_margin(machine) - machine.memory.available_bytes
    parts.append(_used_memory(missing, "of main memory", machine.memory_processes))
    return " and ".join(part for part in parts if part)


def render_speed(tokens_per_second: float) -> str:
    """Render tokens per second with as many digits as a prediction has."""
    return f"{tokens_per_second:.0f}" if tokens_per_second >= 10 else f"{tokens_per_second:.1f}"


def _strengths(best: Candidate, others: Sequence[Candidate], request: RecommendRequest) -> list[str]:
    """Describe what the choice is best at, and the alternatives that some would prefer."""
    fitting = [other for other in others if other.fits and reaches_minimum(other.speed, request)]
    count, minimum = 1 + len(fitting), request.minimum_speed
    reach = "" if minimum is None else f" and reach{'' if count > 1 else 'es'} {minimum:g} tokens/s"
    of = f"the best of {count} files that fit{reach}" if count > 1 else f"the only file that fits{reach}"
    trained = ["trained for 4 bits, so about as good as 5-bit files"] if best.file.is_qat else []
    slow = ["slower than you read"] if _speed(best) < _READING_SPEED else []
    return [of, *trained, *slow, *_much_faster(best, fitting), *_better_but_slow(best, fitting, request)]


def _much_faster(best: Candidate, fitting: Sequence[Candidate]) -> list[str]:
    """Name the most useful file of another size that is much faster and nearly as good."""
    for other in fitting:
        share = _score_share(other, best)
        is_faster = _speed(other) >= _MUCH_FASTER * _speed(best)
        if other.file.size is not best.file.size and is_faster and share >= _NEARLY_AS_GOOD:
            return [f"{_label(other)}: {render_speed(_speed(other))} tokens/s at {share:.0%} of its score"]
    return []


def _better_but_slow(best: Candidate, fitting: Sequence[Candidate], request: RecommendRequest) -> list[str]:
    """With quality preferred, name the best file that is too slow for a chat."""
    better = [other for other in fitting if other.worth > best.worth + EQUAL_STEPS and _speed(other) < _READING_SPEED]
    if request.preference is not Preference.QUALITY or not better:
        return []
    other = max(better, key=lambda candidate: candidate.worth)
    named = f"{_label(other)} {other.file.quantization}"
    return [f"{named} is better, but with {render_speed(_speed(other))} tokens/s too slow for a chat"]


def _score_share(candidate: Candidate, best: Candidate) -> float:
    """Return a size's published score as a share of another's; 0 if one has none."""
    score, of = candidate.quality.score, best.quality.score
    return score / of if score and of else 0.0


def _compromises(best: Candidate, question: Question) -> list[str]:
    """Describe what had to change to fit, and what is not certain."""
    first, now = attempts(question.request)[0], question.attempt
    parts = []
    if now.context < first.context:
        parts.append(f"nothing fits with a context of {render_count(first.context)} tokens")
    if now.kv_type is not first.kv_type:
        parts.append(f"a {now.kv_type} cache, because nothing fits with {first.kv_type}")
    if not best.file.path_is_confirmed:
        parts.append("the file's name is inferred: g4run catalog refresh checks it on the Hub")
    return parts


def _compare(candidate: Candidate, best: Candidate) -> tuple[Verdict, str]:
    """Describe why the choice is better than one that fits and is fast enough."""
    gain = candidate.quality.steps - best.quality.steps
    ratio = _speed(candidate) / max(_speed(best), 1e-9)
    speeds = f"{render_speed(_speed(candidate))} instead of {render_speed(_speed(best))} tokens/s"
    more = candidate.file.parameters - best.file.parameters
    if gain > EQUAL_STEPS:
        what = "a larger model" if more > 0 else "its quantization loses less"
        return Verdict.SLOWER, f"{what}, but {_price(candidate, best, ratio, speeds)}"
    if gain >= -EQUAL_STEPS:
        return (Verdict.SLOWER, f"as good, but {speeds}") if ratio * _EQUAL_SPEEDS < 1 else (Verdict.EQUAL, "as good")
    larger = "a larger model with too few bits" if more > 0 else "its quantization loses more"
    kind = "a smaller model" if more < 0 else larger
    return Verdict.WORSE, f"faster, {speeds}, but {kind}" if ratio > _EQUAL_SPEEDS else f"{kind}, and no faster"


def _price(candidate: Candidate, best: Candidate, ratio: float, speeds: str) -> str:
    """Describe the disadvantage of a better candidate."""
    if ratio * _EQUAL_SPEEDS < 1:
        return speeds
    if not candidate.file.path_is_confirmed and best.file.path_is_confirmed:
        return "its name is only inferred"
    prompts = f"{candidate.speed.prompt.expected:.0f} instead of {best.speed.prompt.expected:.0f} prompt tokens/s"
    return (
        prompts if candidate.speed.prompt.expected * _EQUAL_SPEEDS < best.speed.prompt.expected else "a little slower"
    )


def _need(device: DeviceLedger) -> str:
    memory = "main memory" if device.kind == "cpu" else f"GPU memory ({device.name})"
    spare = f" and {render_bytes(device.margin_bytes)} to spare" if device.margin_bytes else ""
    return f"{render_bytes(device.total_bytes)} of {memory}{spare}, {render_bytes(max(0, device.free_bytes))} free"


def _used_memory(missing: int, place: str, processes: Sequence[GpuProcess]) -> str:
    return f"{render_bytes(missing)} more {place}, in use by {_users(processes)}" if missing > 0 else ""


def _users(processes: Sequence[GpuProcess]) -> str:
    """List the three processes that use the most memory."""
    largest = sorted(processes, key=lambda process: (-process.used_bytes, process.pid))[:3]
    names = ", ".join(f"{process.name} ({render_bytes(process.used_bytes)})" for process in largest)
    return names or "other programs"


def _hint(request: RecommendRequest) -> str:
    if request.size is not None:
        return "g4run recommend"
    return (
        "g4run recommend --ctx 4096" if (request.context or 0) > 4096 else "g4run hardware shows what uses the memory"
    )


def _label(candidate: Candidate) -> str:
    return candidate.plan.shape.architecture.size_label


def _speed(candidate: Candidate) -> float:
    return candidate.speed.generation.expected
