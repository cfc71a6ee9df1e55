"""How often the exported drafter is right, through g4run's own engine."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from g4run.engine.llama import api as llama
from g4run.engine.parameters import LoadParameters
from g4run.engine.speculation.mtp import MtpDrafter
from scripts.demo.golden import Case
from scripts.demo.rendering import render_messages
from scripts.demo.tokenizer import Tokenizer

MOST_TOKENS = 300
AHEAD = 4


def print_acceptance(target: Path, drafter: Path, tokenizer: Tokenizer, prompts: Path) -> None:
    """Print, for each number of tokens ahead, how often a guess was right where all before it in its draft were."""
    right, judged = [0] * AHEAD, [0] * AHEAD
    for guesses, answer in answers(target, drafter, tokenizer, prompts):
        for place, guess in enumerate(guesses):
            for ahead, (guessed, said) in enumerate(zip(guess, answer[place + 1 :], strict=False)):
                judged[ahead] += 1
                right[ahead] += guessed == said
                if guessed != said:
                    break
    for ahead in range(AHEAD):
        share = right[ahead] / judged[ahead]
        print(f"token {ahead + 1} ahead: {right[ahead]} of {judged[ahead]} right ({share:.1%})", file=sys.stderr)


def answers(
    target: Path, drafter: Path, tokenizer: Tokenizer, prompts: Path
) -> Iterator[tuple[list[list[int]], list[int]]]:
    """Yield, for each prompt, the guesses after each token of the greedy answer, and that answer."""
    llama.initialize_backend()
    paths = os.fsencode(target), os.fsencode(drafter)
    parameters = LoadParameters(paths[0], context_length=4096, threads=1, micro_batch=512, drafter_path=paths[1])
    model = llama.Model(parameters, lambda _fraction: None)
    context = llama.Context(model, parameters)
    guessing = MtpDrafter(parameters, model, context)
    for number, case in enumerate(json.loads(prompts.read_text(encoding="utf-8"))):
        asked = Case(**case)
        tokens = tokenizer.encode(render_messages(asked.messages, asked.tools, asked.think))
        yield answer(model, context, guessing, number, tokens)


def answer(
    model: llama.Model, context: llama.Context, drafter: MtpDrafter, number: int, tokens: list[int]
) -> tuple[list[list[int]], list[int]]:
    """Say greedily what follows `tokens`, one token at a time, and let the drafter guess after each."""
    batch, start, guesses = llama.Batch(context.micro_batch, 1), len(tokens), list[list[int]]()
    context.truncate(0, 0)
    computed = 0
    while len(tokens) - start < MOST_TOKENS and not (computed and model.is_end(tokens[-1])):
        part = tokens[computed : computed + context.micro_batch]
        batch.clear()
        index = batch.append(0, computed, part, 1)
        assert context.decode(batch) == 0
        computed += len(part)
        if computed == len(tokens):
            tokens.append(int(context.logits(index).argmax()))
            drafter.follow(number, 0, len(tokens), index)
            guesses.append(drafter.propose(number, tokens, AHEAD))
    return guesses, tokens[start:]
