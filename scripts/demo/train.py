"""The training of the demo model: AdamW and Muon on the CPU, in bfloat16 where the processor has it."""

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import LambdaLR

from scripts.demo.batches import Sample, batches, sample
from scripts.demo.conversations import conversation
from scripts.demo.generators import LATE_MIX, MIX, Source
from scripts.demo.model import Gemma4, Shape
from scripts.demo.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the training: its steps, its learning rate and what its conversations are about.

    The rate rises over `warm_up` steps, stays until `hold`, and falls on a line that is at 0 at the step `zero`.
    """

    seed: int
    mix: dict[str, float]
    steps: int
    warm_up: int
    hold: int
    zero: int
    share: float = 1.0

    def rate(self, step: int) -> float:
        """Return the share of the full learning rate at a step."""
        left = (self.zero - step) / (self.zero - self.hold)
        return self.share * min((step + 1) / self.warm_up, 1.0, max(left, 0.0))


STAGES = (
    Stage(seed=4, mix=MIX, steps=1200, warm_up=60, hold=600, zero=1500),
    Stage(seed=5, mix=LATE_MIX, steps=500, warm_up=20, hold=100, zero=500, share=0.35),
)
BATCH_TOKENS = 2048
WORKERS = 2
POOL = 4000
MATRIX_RATE = 5e-3
TABLE_RATE = 4e-3


def train(tokenizer: Tokenizer, checkpoint: Path) -> Gemma4:
    """Train a model from scratch through all stages; its weights are saved to `checkpoint` now and then."""
    torch.manual_seed(STAGES[0].seed)
    torch.set_num_threads(1)
    model = Gemma4(Shape(vocabulary=len(tokenizer.tokens)))
    for stage in STAGES:
        train_stage(model, tokenizer, stage, checkpoint)
    return model


def train_stage(model: Gemma4, tokenizer: Tokenizer, stage: Stage, checkpoint: Path) -> None:
    """Train a model for the steps of one stage, with optimizers of its own."""
    optimizers = make_optimizers(model)
    schedules = [LambdaLR(optimizer, stage.rate) for optimizer in optimizers]
    source, started, seen, smooth = stream(tokenizer, stage), time.monotonic(), 0, 0.0
    with ThreadPoolExecutor(WORKERS) as pool:
        for step in range(1, stage.steps + 1):
            group = [next(source) for _ in range(WORKERS)]
            loss = set_gradients(model, group, pool)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for optimizer, schedule in zip(optimizers, schedules, strict=True):
                optimizer.step()
                schedule.step()
            seen += sum(tokens.numel() for tokens, _ in group)
            smooth = loss if step == 1 else 0.98 * smooth + 0.02 * loss
            if step % 50 == 0:
                took = time.monotonic() - started
                line = f"step {step:5d}  loss {smooth:.4f}  {seen / 1e6:.2f} M tokens  {took:.0f} s"
                print(line, file=sys.stderr, flush=True)
                torch.save(model.state_dict(), checkpoint)


def set_gradients(model: Gemma4, group: list[tuple[Tensor, Tensor]], pool: ThreadPoolExecutor) -> float:
    """Set the gradients of the mean loss of several batches, each computed by a thread of its own; return that loss.

    One thread for each batch wastes less than several threads within each operation: the matrices are small.
    """
    parameters = list(model.parameters())

    def work(batch: tuple[Tensor, Tensor]) -> tuple[float, tuple[Tensor, ...]]:
        loss = weighted_loss(model, *batch)
        return loss.item(), torch.autograd.grad(loss, parameters)

    results = list(pool.map(work, group))
    for parameter, *gradients in zip(parameters, *(gradients for _, gradients in results), strict=True):
        parameter.grad = torch.stack(gradients).mean(0)
    return sum(loss for loss, _ in results) / len(results)


def stream(tokenizer: Tokenizer, stage: Stage) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield fresh batches without an end."""
    random = Random(stage.seed)
    while True:
        pool: list[Sample] = [sample(conversation(Source(random, mix=stage.mix)), tokenizer) for _ in range(POOL)]
        yield from batches(pool, BATCH_TOKENS, random)


def weighted_loss(model: Gemma4, tokens: Tensor, weights: Tensor) -> Tensor:
    """Return the mean cross entropy of the next tokens, weighted."""
    weights = weights[:, 1:]
    chosen = weights > 0
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(tokens[:, :-1], chosen)
    losses = cross_entropy(logits, tokens[:, 1:][chosen], reduction="none")
    return (losses * weights[chosen]).sum() / weights.sum()


def make_optimizers(model: nn.Module) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices of the layers and AdamW for tables, norms and scales."""
    matrices = [weight for name, weight in model.named_parameters() if weight.ndim == 2 and "token_embd" not in name]
    others = [weight for name, weight in model.named_parameters() if weight.ndim != 2 or "token_embd" in name]
    return [
        torch.optim.Muon(matrices, MATRIX_RATE, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, TABLE_RATE, betas=(0.9, 0.98), weight_decay=0.0),
    ]
