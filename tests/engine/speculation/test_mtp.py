"""Gemma 4's MTP drafter shares its target's cache, and mismatched pairs are refused."""

import os
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest

from g4run.engine.llama.api import Batch, Context, LlamaError, Model
from g4run.engine.speculation.mtp import MtpDrafter
from g4run.kv_types import KvType
from tests.engine.requests import DEMO, DRAFTER
from tests.engine.speculation.conftest import PARAMETERS
from tests.engine.speculation.loop import Loop

NARROW_HEADS = {
    "blk.1.attn_q": (128, 64),
    "blk.1.attn_q_norm": (32,),
    "blk.1.attn_output": (64, 128),
    "rope_freqs": (16,),
}


def copy_with(path: Path, changed: dict[str, int], shapes: dict[str, tuple[int, ...]]) -> Path:
    """Copy the demo's drafter with changed metadata and with zeros of another shape for some tensors."""
    reader, writer = gguf.GGUFReader(DRAFTER), gguf.GGUFWriter(path, "gemma4-assistant")
    for name, entry in reader.fields.items():
        if not name.startswith("GGUF.") and name != "general.architecture":
            kind, element = entry.types[0], entry.types[-1] if entry.types[0] == gguf.GGUFValueType.ARRAY else None
            value = changed.get(name.removeprefix("gemma4-assistant."), entry.contents())
            writer.add_key_value(name, value, kind, sub_type=element)
    for tensor in reader.tensors:
        shape = shapes.get(tensor.name.removesuffix(".weight"))
        writer.add_tensor(tensor.name, tensor.data if shape is None else np.zeros(shape, tensor.data.dtype))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def drafts(drafter: MtpDrafter, context: Context, tokens: list[int], sequence_id: int) -> list[int]:
    """Return the draft after a prompt and its most likely next token."""
    batch = Batch(256, 8)
    index = batch.append(sequence_id, 0, tokens, 1)
    assert context.decode(batch) == 0
    longer = [*tokens, int(context.logits(index).argmax())]
    drafter.follow(1, sequence_id, len(longer), index)
    return drafter.propose(1, longer, 4)


def test_it_drafts_what_the_target_generates(
    model: Model, context: Context, drafter: MtpDrafter, prompts: list[list[int]]
) -> None:
    generated = Loop(model, context).generate(prompts[0], 5)
    context.truncate(0, 0)
    assert drafts(drafter, context, prompts[0], sequence_id=0) == generated[1:]


def test_it_attends_to_its_own_sequence_only(context: Context, drafter: MtpDrafter, prompts: list[list[int]]) -> None:
    alone = drafts(drafter, context, prompts[0], sequence_id=3)
    context.truncate(3, 0)
    neighbours = {
        sequence_id: drafts(drafter, context, prompts[10 * sequence_id], sequence_id) for sequence_id in (1, 7)
    }
    assert drafts(drafter, context, prompts[0], sequence_id=3) == alone
    assert alone not in neighbours.values()


def test_drafting_does_not_change_the_targets_cache(
    model: Model, context: Context, drafter: MtpDrafter, prompts: list[list[int]]
) -> None:
    first, then = prompts[0], prompts[1][:8]
    batch = Batch(256, 8)
    logits = []
    for proposes in (False, True):
        context.truncate(0, 0)
        batch.clear()
        index = batch.append(0, 0, first, 1)
        assert context.decode(batch) == 0
        if proposes:
            drafter.follow(1, 0, len(first) + 1, index)
            assert len(drafter.propose(1, [*first, then[0]], 4)) == 4
        batch.clear()
        index = batch.append(0, len(first), then, 1)
        assert context.decode(batch) == 0
        logits.append(context.logits(index).copy())
    assert np.array_equal(logits[0], logits[1])


def test_nothing_is_proposed_without_follow(context: Context, drafter: MtpDrafter, prompts: list[list[int]]) -> None:
    longer = [*prompts[0], 5]
    assert drafter.propose(1, longer, 4) == []
    assert len(drafts(drafter, context, prompts[0], sequence_id=0)) == 4
    assert drafter.propose(2, longer, 4) == []
    assert drafter.propose(1, [*longer, 6], 4) == []
    assert drafter.propose(1, longer, 0) == []


@pytest.mark.parametrize("kv_type", [KvType.Q8_0, KvType.Q4_0])
def test_it_reads_a_quantized_cache(model: Model, prompts: list[list[int]], kv_type: KvType) -> None:
    quantized = replace(PARAMETERS, kv_type=kv_type)
    context = Context(model, quantized)
    generated = Loop(model, context).generate(prompts[0], 5)
    drafter = MtpDrafter(quantized, model, context)
    assert drafts(drafter, context, prompts[0], sequence_id=0) == generated[1:]
    drafter.close()


def test_the_target_works_after_its_drafter_is_closed(model: Model, context: Context, prompts: list[list[int]]) -> None:
    generated = Loop(model, context).generate(prompts[0], 20)
    for _ in range(3):
        drafter = MtpDrafter(PARAMETERS, model, context)
        assert drafts(drafter, context, prompts[0], sequence_id=0) == generated[1:5]
        drafter.close()
        drafter.close()
        assert Loop(model, context).generate(prompts[0], 20) == generated


@pytest.mark.parametrize(
    ("changed", "shapes", "reason"),
    [
        (
            {"embedding_length_out": 256},
            {"nextn.pre_projection": (64, 512), "nextn.post_projection": (256, 64)},
            "its embedding length is 256, the model's 128",
        ),
        (
            {"attention.key_length": 32, "attention.value_length": 32, "rope.dimension_count": 32},
            NARROW_HEADS,
            "its attention.key_length is 32, the model's 64",
        ),
        ({"attention.sliding_window": 128}, {}, "its attention.sliding_window is 128, the model's 64"),
        ({"attention.head_count_kv": 2}, {}, "its number of key heads is 2, the model's 1"),
    ],
)
def test_the_drafter_of_another_model_is_refused(
    model: Model,
    context: Context,
    tmp_path: Path,
    changed: dict[str, int],
    shapes: dict[str, tuple[int, ...]],
    reason: str,
) -> None:
    path = copy_with(tmp_path / "other.gguf", changed, shapes)
    with pytest.raises(LlamaError) as refused:
        MtpDrafter(replace(PARAMETERS, drafter_path=os.fsencode(path)), model, context)
    assert str(refused.value) == f"the drafter belongs to another model: {reason}"


def test_a_full_cache_ends_a_draft(model: Model, prompts: list[list[int]]) -> None:
    small = replace(PARAMETERS, context_length=256, micro_batch=256)
    context = Context(model, small)
    drafter = MtpDrafter(small, model, context)
    fitting, filling = ((prompts[0] * 256)[:length] for length in (255, 256))
    assert len(drafts(drafter, context, fitting, sequence_id=0)) == 4
    context.truncate(0, 0)
    assert drafts(drafter, context, filling, sequence_id=0) == []
    drafter.close()


def test_making_a_drafter_clears_the_targets_cache(model: Model, context: Context, prompts: list[list[int]]) -> None:
    Loop(model, context).generate(prompts[0], 5)
    assert context.first_position(0) == 0
    MtpDrafter(PARAMETERS, model, context).close()
    assert context.first_position(0) == -1


def test_an_unchanged_copy_is_accepted(model: Model, context: Context, tmp_path: Path) -> None:
    path = copy_with(tmp_path / "same.gguf", {}, {})
    MtpDrafter(replace(PARAMETERS, drafter_path=os.fsencode(path)), model, context).close()


def test_a_model_that_is_not_a_drafter_is_refused(model: Model, context: Context) -> None:
    with pytest.raises(LlamaError, match=r"^a drafter must have the architecture gemma4-assistant, not gemma4$"):
        MtpDrafter(replace(PARAMETERS, drafter_path=os.fsencode(DEMO)), model, context)


def test_a_missing_drafter_path_is_refused(model: Model, context: Context) -> None:
    with pytest.raises(ValueError, match=r"^drafter_path is not set$"):
        MtpDrafter(replace(PARAMETERS, drafter_path=None), model, context)


def test_a_missing_file_is_refused(model: Model, context: Context, tmp_path: Path) -> None:
    with pytest.raises(LlamaError, match=r"^the model could not be loaded$"):
        MtpDrafter(replace(PARAMETERS, drafter_path=os.fsencode(tmp_path / "none.gguf")), model, context)
