"""Greedy answers of the exported file through llama.cpp, compared with what they should be."""

import sys
from collections.abc import Iterable
from pathlib import Path
from random import Random

from llama_cpp import Llama

from scripts.demo.corpus import Conversation, Exchange
from scripts.demo.generators import LARGEST_ADDEND, Source
from scripts.demo.golden import Case, split
from scripts.demo.rendering import render_messages

MAX_TOKENS = 300
ENDS = (b"<turn|>", b"<eos>", b"<|tool_response>")


class Speaker:
    """The exported model, answering prompts."""

    def __init__(self, path: Path) -> None:
        self.llama = Llama(str(path), n_ctx=4096, n_batch=512, verbose=False, n_threads=1, n_threads_batch=1)
        self.ends = {self.llama.tokenize(text, add_bos=False, special=True)[0] for text in ENDS}

    def answer(self, prompt: str) -> str:
        """Return the greedy continuation of a prompt, the token that ends it included."""
        tokens = self.llama.tokenize(prompt.encode(), add_bos=False, special=True)
        answer: list[int] = []
        self.llama.reset()
        self.llama._ctx.kv_cache_clear()
        for token in self.llama.generate(tokens, top_k=1, temp=0.0, repeat_penalty=1.0, reset=True):
            answer.append(token)
            if token in self.ends or len(answer) == MAX_TOKENS:
                break
        text: bytes = self.llama.detokenize(answer, special=True)
        return text.decode(errors="replace")


def expected_text(case: Case) -> str:
    """Return what the model should write for a case, the token that ends it included."""
    calls = [{"id": "x", "type": "function", "function": call} for call in case.expected["tool_calls"]]
    message = {"role": "assistant", "content": case.expected["content"], "reasoning": case.expected["thinking"]}
    said = render_messages([*case.messages, {**message, "tool_calls": calls}], case.tools, case.think, prompt=False)
    prompt = render_messages(case.messages, case.tools, case.think)
    assert said.startswith(prompt), (case.name, prompt, said)
    return said.removeprefix(prompt).removesuffix("\n")


def accuracy(speaker: Speaker, cases: Iterable[Case], title: str) -> float:
    """Print every wrong answer and the share of right ones; return the share."""
    listed, right = list(cases), 0
    for case in listed:
        answer = speaker.answer(render_messages(case.messages, case.tools, case.think))
        wanted = expected_text(case)
        right += answer == wanted
        if answer != wanted:
            print(f"  {case.name}: wanted {wanted!r}, got {answer!r}", file=sys.stderr)
    print(f"{title}: {right} of {len(listed)} right ({100 * right / len(listed):.1f} %)", file=sys.stderr)
    return right / len(listed)


def held_out_recall(count: int = 100) -> list[Case]:
    """Return recalls of names and cities that training never saw, with zero to three turns between."""
    source = Source(Random(7), held_out=True)
    drawn: list[Case] = []
    for number in range(count):
        told, asked = source.recall()
        between = [source.written() for _ in range(source.random.randint(0, 3))]
        drawn.extend(split(f"held-out-{number + 1}", Conversation((told, *between, asked))))
    return drawn


def every_sum() -> list[Case]:
    """Return every sum in one phrasing."""
    addends = range(LARGEST_ADDEND + 1)
    sums = [(a, b, f"{a} + {b} = {a + b}.") for a in addends for b in addends]
    asked = [Conversation((Exchange("sum", f"What is {a} + {b}?", answer, ""),)) for a, b, answer in sums]
    return [case for number, conversation in enumerate(asked) for case in split(f"sum-{number + 1}", conversation)]
