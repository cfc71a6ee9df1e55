"""Render a recommendation as text for 80 columns and as JSON."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from g4run.cli.views.json_values import json_value
from g4run.cli.views.plan import settings_value
from g4run.cli.views.tables import Column, render_paragraph, render_table
from g4run.units import render_count

if TYPE_CHECKING:
    from g4run.planner.recommend.candidates import Candidate
    from g4run.planner.recommend.quality import QualityEstimate
    from g4run.planner.recommend.recommend import Recommendation
    from g4run.planner.values import SpeedRange

SHOWN: Final = 8  # rows, including the best
_COLUMNS: Final = (
    Column("MODEL"),
    Column("QUANT", shrinks=True),
    Column("FILE", is_number=True),
    Column("GPU", is_number=True),
    Column("RAM", is_number=True),
    Column("TOKENS/S", is_number=True),
    Column("SCORE", is_number=True),
    Column("LOSS"),
)
_LEGEND: Final = "FILE, GPU, RAM: in GB; TOKENS/S: expected (low-high)"
_SOURCES: Final = {
    "measured here": "measured here",
    "calibrated": "calibrated with measurements on such devices",
    "estimated": "estimated",
}
_USUAL_WIDTH: Final = 80
_NAMED: Final = 3  # files at most whose different speed source is listed by name


def render_recommendation(
    recommendation: "Recommendation", width: int | None, *, show_all: bool, is_installed: bool
) -> str:
    """Render the choice with its commands, then the others. Raises DoesNotFit if there is no choice."""
    best = recommendation.require_best()
    others = recommendation.alternatives if show_all else choose_rows(best, recommendation.alternatives)
    hidden_count = len(recommendation.alternatives) - len(others)
    parts = (
        _wrap(_sentence(best), width),
        ("" if is_installed else f"  g4run pull {best.file.name}\n") + f"  {best.command}\n",
        render_table(_COLUMNS, [_row(candidate) for candidate in (best, *others)], width),
        _wrap(f"{_LEGEND}; {_sources((best, *others))}.", width) + _wrap(_quality_legend((best, *others)), width),
        _reasons("Why not:", others, width),
        _reasons("After freeing memory:", recommendation.after_freeing, width),
        f"{hidden_count} more with --all\n" if hidden_count > 0 else "",
    )
    return "\n".join(part for part in parts if part)


def choose_rows(best: "Candidate", others: "Sequence[Candidate]") -> "tuple[Candidate, ...]":
    """Return the rows of the short table in order: the first of every other size, then more of the best's size."""
    sizes: dict[str, Candidate] = {}
    for other in others:
        if other.file.size is not best.file.size:
            sizes.setdefault(other.file.size, other)
    own = [other for other in others if other.file.size is best.file.size][: SHOWN - 1 - len(sizes)]
    chosen = {candidate.file.name for candidate in (*sizes.values(), *own)}
    return tuple(other for other in others if other.file.name in chosen)


def recommendation_value(recommendation: "Recommendation") -> dict[str, object]:
    """Return the whole recommendation as JSON."""
    return {"best": candidate_value(recommendation.require_best()), **others_value(recommendation)}


def others_value(recommendation: "Recommendation") -> dict[str, object]:
    """Return as JSON the alternatives, and what would fit after freeing memory."""
    return {
        "alternatives": [candidate_value(candidate) for candidate in recommendation.alternatives],
        "after_freeing": [
            {**candidate_value(candidate), "freeing": candidate.freeing} for candidate in recommendation.after_freeing
        ],
    }


def candidate_value(candidate: "Candidate") -> dict[str, object]:
    """Return one candidate as JSON."""
    settings, speed = candidate.plan.settings, candidate.speed
    return {
        "model": candidate.file.name,
        "quantization": candidate.file.quantization,
        "file_bytes": candidate.file.size_bytes,
        "context": settings.context,
        "kv_type": settings.kv_type.value,
        "placement": candidate.plan.placement.value,
        "fits": candidate.fits,
        "memory": {
            "gpu_bytes": candidate.used_bytes("gpu"),
            "ram_bytes": candidate.used_bytes("cpu"),
            "free_gpu_bytes": candidate.free_bytes("gpu"),
            "free_ram_bytes": candidate.free_bytes("cpu"),
        },
        "speed": {
            "generation_tokens_per_second": _range_value(speed.generation),
            "prompt_tokens_per_second": _range_value(speed.prompt),
            "source": speed.source.value,
        },
        "quality": _quality_value(candidate.quality),
        "settings": settings_value(candidate.plan),
        "max_context": {kv_type.value: tokens for kv_type, tokens in candidate.plan.max_context.items()},
        "verdict": candidate.verdict.value,
        "reason": candidate.reason,
        "command": candidate.command,
        "path_is_confirmed": candidate.file.path_is_confirmed,
    }


def _quality_value(quality: "QualityEstimate") -> dict[str, object]:
    """Return the quality as JSON; `kl_divergence` is None if the loss is a judgment."""
    return {
        "benchmark": quality.benchmark,
        "score": quality.score,
        "unit": quality.unit,
        "loss": quality.loss.value,
        "kl_divergence": quality.divergence,
        "loss_source": quality.loss_source,
    }


def _range_value(speed: "SpeedRange") -> dict[str, float]:
    return {name: round(value, 2) for name, value in json_value(speed).items()}


def _sentence(best: "Candidate") -> str:
    """Return the choice and its reason in one sentence."""
    from g4run.planner.recommend.reasons import PLACES, render_speed

    settings = best.plan.settings
    kind = "quantization-aware trained " if best.file.is_qat else ""
    return (
        f"{_label(best)} in {kind}{best.file.quantization} suits this machine best: {PLACES[best.plan.placement]}, "
        f"about {render_speed(best.speed.generation.expected)} tokens/s, a context of "
        f"{render_count(settings.context)} tokens ({best.reason})."
    )


def _row(candidate: "Candidate") -> tuple[str, ...]:
    score = candidate.quality.score
    return (
        _label(candidate),
        f"{candidate.file.quantization}{' QAT' if candidate.file.is_qat else ''}"
        f"{'' if candidate.file.path_is_confirmed else ' ?'}",
        _gigabytes(candidate.file.size_bytes),
        _gigabytes(candidate.used_bytes("gpu")) if candidate.used_bytes("gpu") else "-",
        _gigabytes(candidate.used_bytes("cpu")),
        _speeds(candidate.speed.generation),
        "-" if score is None else f"{score:.1f}",
        candidate.quality.loss.value,
    )


def _quality_legend(candidates: "Sequence[Candidate]") -> str:
    """Say what SCORE and LOSS are, and which losses are measured."""
    quality = candidates[0].quality
    measured = [
        f"{_label(candidate)} {candidate.file.quantization} {candidate.quality.divergence:g}"
        for candidate in candidates
        if candidate.quality.divergence is not None
    ]
    figures = f", measured as KL divergence for {', '.join(measured)}" if measured else ""
    inferred = any(not candidate.file.path_is_confirmed for candidate in candidates)
    return (
        f"SCORE: {quality.benchmark} ({quality.unit}) of the size, unquantized and with thinking, from Google's model "
        f"cards; LOSS: by the quantization, a judgment{figures}{'; ?: the name of the file is inferred' * inferred}."
    )


def _sources(candidates: "Sequence[Candidate]") -> str:
    """Return the usual source of the speeds, then the exceptions by name, or by count if many."""
    labels: dict[str, list[str]] = {}
    for candidate in candidates:
        labels.setdefault(candidate.speed.source.value, []).append(f"{_label(candidate)} {candidate.file.quantization}")
    usual, *others = sorted(labels, key=lambda source: -len(labels[source]))
    named = (
        labels[source] if len(labels[source]) <= _NAMED else [f"{len(labels[source])} models"] for source in others
    )
    exceptions = (f"{_SOURCES[source]}: {', '.join(names)}" for source, names in zip(others, named, strict=True))
    return "; ".join((_SOURCES[usual], *exceptions))


def _reasons(title: str, candidates: "Sequence[Candidate]", width: int | None) -> str:
    """List the reason for each candidate, wrapped."""
    lines = (
        _wrap(f"  {_label(candidate)} {candidate.file.quantization}: {candidate.reason}", width, indent="    ")
        for candidate in candidates
    )
    text = "".join(lines)
    return f"{title}\n{text}" if text else ""


def _label(candidate: "Candidate") -> str:
    return candidate.plan.shape.architecture.size_label


def _gigabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f}"


def _speeds(speed: "SpeedRange") -> str:
    from g4run.planner.recommend.reasons import render_speed

    return f"{render_speed(speed.expected)} ({render_speed(speed.low)}-{render_speed(speed.high)})"


def _wrap(text: str, width: int | None, indent: str = "") -> str:
    """Wrap text to the terminal, or to 80 columns in a pipe."""
    return render_paragraph(text, width or _USUAL_WIDTH, indent)
