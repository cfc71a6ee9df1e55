"""The training of the demo's drafter: to say, for a few tokens ahead, what the demo is about to say."""

import sys
import time

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import LambdaLR

from scripts.demo.generators import LATE_MIX
from scripts.demo.model import Gemma4
from scripts.demo.tokenizer import Tokenizer
from scripts.demo.train import Stage, make_optimizers, stream
from scripts.drafter.model import Drafter, DrafterShape

STEPS_AHEAD = 3
STAGE = Stage(seed=11, mix=LATE_MIX, steps=700, warm_up=20, hold=300, zero=700)


def train(target: Gemma4, tokenizer: Tokenizer) -> Drafter:
    """Train a drafter from scratch on one thread; prints its loss and how often it is right, per step ahead."""
    torch.manual_seed(STAGE.seed)
    torch.set_num_threads(1)
    drafter = Drafter(DrafterShape(target.shape))
    drafter.start_from(target)
    optimizers = make_optimizers(drafter)
    schedules = [LambdaLR(optimizer, STAGE.rate) for optimizer in optimizers]
    source, started = stream(tokenizer, STAGE), time.monotonic()
    for step in range(1, STAGE.steps + 1):
        losses, hits = zip(*steps_ahead(drafter, target, *next(source)), strict=True)
        drafter.zero_grad()
        torch.stack(losses).mean().backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(drafter.parameters(), 1.0)
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            schedule.step()
        if step % 25 == 0:
            took = time.monotonic() - started
            shown = "  ".join(f"{loss.item():.3f} {hit:4.0%}" for loss, hit in zip(losses, hits, strict=True))
            print(f"step {step:5d}  {shown}  {took:.0f} s", file=sys.stderr, flush=True)
    return drafter


def steps_ahead(drafter: Drafter, target: Gemma4, tokens: Tensor, weights: Tensor) -> list[tuple[Tensor, float]]:
    """Return for each step ahead the loss against the target's distribution, and the share of equal first choices.

    Only what the model says counts, as in the training of the demo.
    """
    results = []
    with torch.autocast("cpu", torch.bfloat16):
        for step, (logits, wanted) in enumerate(drafter.guesses(target, tokens[:, :-1], STEPS_AHEAD)):
            chosen = weights[:, 2 + step :] > 0
            guessed, meant = logits[chosen].float(), wanted[chosen].float()
            hit = (guessed.argmax(-1) == meant.argmax(-1)).float().mean().item()
            results.append((cross_entropy(guessed, meant.softmax(-1)), hit))
    return results
