"""Render answers and prompts as text and as JSON."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from g4run.units import render_count, render_rate, render_seconds

if TYPE_CHECKING:
    from g4run.chat.messages import MediaPart, ToolCall
    from g4run.chat.render import Prompt
    from g4run.planner.values import Plan
    from g4run.runtime.answers.answer import Answer, AnswerOptions, Timings, Usage

_MAX_SOURCE_WIDTH = 50  # columns; a data URI has millions


def answer_value(model: str, answer: "Answer", plan: "Plan", *, hide_thinking: bool) -> dict[str, object]:
    """Return an answer and its load settings as JSON; tool calls in OpenAI's shape, hidden thinking null."""
    from g4run.chat.openai_shape import render_call
    from g4run.cli.views.plan import settings_value

    usage = answer.usage
    return {
        "model": model,
        "content": answer.content,
        "thinking": None if hide_thinking else answer.thinking,
        "tool_calls": [render_call(call) for call in answer.tool_calls],
        "finish_reason": answer.finish_reason.value,
        "usage": {**asdict(usage), "total_tokens": usage.prompt_tokens + usage.completion_tokens},
        "timings": {name: round(value, 6) for name, value in asdict(answer.timings).items()},
        "seed": answer.seed,
        "placement": plan.placement.value,
        "settings": settings_value(plan),
    }


def prompt_value(model: str, prompt: "Prompt") -> dict[str, object]:
    """Return a prompt whole and in pieces, so that a typed `<|turn>` differs from the template's."""
    from g4run.chat.messages import MediaPart
    from g4run.chat.pieces import ControlPiece

    def piece_kind(piece: object) -> str:
        if isinstance(piece, MediaPart):
            return piece.kind
        return "control" if isinstance(piece, ControlPiece) else "text"

    return {
        "model": model,
        "prompt": prompt.text,
        "pieces": [{"kind": piece_kind(piece), "text": piece.text} for piece in prompt.pieces],
        "media": [{"kind": piece.kind, "source": media_source(piece)} for piece in prompt.media],
    }


def media_source(part: "MediaPart") -> str:
    """Return the source of a media part, cut to 50 columns: a data URI keeps its media type."""
    source = part.source
    return source if len(source) <= _MAX_SOURCE_WIDTH else f"{source[: _MAX_SOURCE_WIDTH - 3]}..."


def render_media_slots(prompt: "Prompt") -> str:
    """List the source of each media slot, in order."""
    lines = (f"slot {number}: {piece.kind}, {media_source(piece)}" for number, piece in enumerate(prompt.media, 1))
    return "".join(f"{line}\n" for line in lines)


def render_tool_call(call: "ToolCall") -> str:
    """Write a call like code: get_weather({"city": "Paris"})."""
    return f"{call.name}({json.dumps(call.arguments, ensure_ascii=False, default=dict)})"


def render_timings(answer: "Answer") -> str:
    """Write counts and speeds in Ollama's eight lines, and two more if the model drafted."""
    timings: Timings = answer.timings
    usage = answer.usage
    cached = f", {usage.cached_tokens} from cache" if usage.cached_tokens else ""
    lines = (
        ("total duration", render_seconds(timings.total_seconds)),
        ("load duration", render_seconds(timings.load_seconds)),
        ("prompt eval count", f"{usage.evaluated_tokens} token(s){cached}"),
        ("prompt eval duration", render_seconds(timings.prompt_seconds)),
        ("prompt eval rate", render_rate(timings.prompt_tokens_per_second)),
        ("eval count", f"{usage.completion_tokens} token(s)"),
        ("eval duration", render_seconds(timings.generation_seconds)),
        ("eval rate", render_rate(timings.generation_tokens_per_second)),
        *_draft_lines(usage, timings.draft_gain),
    )
    return "".join(f"{label + ':':<22}{value}\n" for label, value in lines)


def _draft_lines(usage: "Usage", gain: float) -> tuple[tuple[str, str], ...]:
    """Return the draft acceptance and whether drafting stays on; nothing if no token was drafted."""
    if not usage.drafted_tokens:
        return ()
    share = usage.accepted_tokens / usage.drafted_tokens
    return (
        ("draft acceptance", f"{usage.accepted_tokens} of {usage.drafted_tokens} token(s), {share:.0%}"),
        ("drafting", f"on, {gain:.2f}x speedup" if gain > 1 else "off, no measured speedup"),
    )


def render_end_note(answer: "Answer", options: "AnswerOptions", context_length: int) -> str:
    """Explain an unexpected end of an answer; empty after a normal end."""
    from g4run.runtime.answers.answer import FinishReason

    match answer.finish_reason:
        case FinishReason.LENGTH:
            return _render_length_note(answer, options, context_length)
        case FinishReason.LOOP:
            return "Note: the answer was ended early: its grammar let it repeat itself forever\n"
        case FinishReason.DEADLINE:
            return "Note: the answer was cut off: it ran out of time\n"
        case FinishReason.FAILED:
            return "Note: the answer was cut off: no token was allowed, or its grammar is too ambiguous\n"
    return ""


def _render_length_note(answer: "Answer", options: "AnswerOptions", context_length: int) -> str:
    """Name the limit that an answer reached; a constrained answer is completed there if possible."""
    done = "ended early" if options.is_constrained else "cut off"
    room = context_length + 1 - answer.usage.prompt_tokens  # the last token needs no place in the context
    if options.max_tokens is not None and options.max_tokens <= room:
        return f"Note: the answer was {done} at {render_count(options.max_tokens)} tokens (--max-tokens)\n"
    return f"Note: the answer was {done}: the context of {render_count(context_length)} tokens is full (--ctx)\n"


def render_greeting(model: str, context_length: int) -> str:
    """Name the model, its context length, and the help command."""
    return f"{model} is ready, with a context of {render_count(context_length)} tokens; /help lists the commands.\n\n"
