"""Whether the device that computes the logits also cuts them to the likeliest, and which requests gain by it.

It was slower than the host's search on some GPUs and builds (llama.cpp #17004) and faster on others (#25532), so it is
measured on the machine itself. Tried on the CPU backend only; it was not run on a GPU.
"""

import contextlib
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from g4run.engine.cuts import Cuts
from g4run.engine.llama.api import Batch, Context, LlamaError, Model
from g4run.engine.log import note
from g4run.engine.parameters import MOST_CUT, DeviceSampling, GenerationParameters, LoadParameters
from g4run.engine.sampling.sampler import Sampler

LEAST_GAIN = 1.03  # below it, what was measured is noise
# Steps of each kind without which there is no verdict, and the cut is not used: a model that does not come so far in
# its time takes over 20 ms a token, of which what could be saved is too small a part (ranking.py: 0.06 ms of search).
LEAST_STEPS = 16
_BUDGET_SECONDS = 1.0
_UNTIMED_STEPS = 3  # after a change the graph is reserved anew, and CUDA records it when it has seen it twice
_TIMED_STEPS = 8
_MOST_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Comparison:
    """Seconds of steps that decode and draw one token: from whole rows, and from rows that the device cut."""

    whole: tuple[float, ...]
    cut: tuple[float, ...]

    @property
    def has_verdict(self) -> bool:
        """Whether there are steps enough to tell."""
        return min(len(self.whole), len(self.cut)) >= LEAST_STEPS

    @property
    def is_faster(self) -> bool:
        """Whether the cut pays; not where that cannot be told."""
        return self.has_verdict and median(self.whole) >= LEAST_GAIN * median(self.cut)


class DeviceCut:
    """The cut as the generator uses it. Made after the warm-up, and leaves the cells as empty as it found them.

    `is_used` says what was decided, `has_measured` whether that was by measuring.
    """

    def __init__(self, parameters: LoadParameters, model: Model, context: Context, batch: Batch) -> None:
        suppressed = model.suppressed_tokens()
        self._context = context
        self._cuts = Cuts(context, min(MOST_CUT + len(suppressed), model.vocabulary_size))
        self.is_used = self.has_measured = False
        if parameters.device_sampling is DeviceSampling.OFF:
            return
        sampler = Sampler(GenerationParameters(), model.vocabulary, suppressed)
        self._decide(parameters, _Trial(self._cuts, sampler, context, batch))
        sampler.close()

    def assign(self, sequence_id: int, sampler: Sampler) -> None:
        """Give a sequence to a request, before its first batch: its rows are cut unless the request needs them."""
        self._cuts.cut(sequence_id, wanted=self.is_used and not sampler.needs_rows)

    def draw(self, sampler: Sampler, index: int) -> int:
        """The token after the batch's token at `index`, accepted."""
        return _draw(self._cuts, sampler, self._context, index)

    def _decide(self, parameters: LoadParameters, trial: "_Trial") -> None:
        try:
            if parameters.device_sampling is DeviceSampling.ON:
                self.is_used = trial.works()
            else:
                with _marked(parameters.measuring_mark):
                    self.is_used = trial.works() and _note(trial.compare()).is_faster
                self.has_measured = True
            for sequence_id in range(parameters.sequences):
                self._cuts.cut(sequence_id, wanted=self.is_used)
            trial.run(1)  # else the first request would wait for the graph
        except (LlamaError, OSError) as error:  # the decode, and the mark
            note(f"g4run: the device does not cut the logits: {error}\n")
            self.is_used = False
            for sequence_id in range(parameters.sequences):
                self._cuts.cut(sequence_id, wanted=False)
            self._context.clear()


class _Trial:
    """One token after the other, decoded and drawn as an answer's are, on sequence 0."""

    def __init__(self, cuts: Cuts, sampler: Sampler, context: Context, batch: Batch) -> None:
        self._cuts = cuts
        self._sampler = sampler
        self._context = context
        self._batch = batch

    def works(self) -> bool:
        """Whether this device cuts what it is asked to."""
        self._cuts.cut(0, wanted=True)
        self.run(1)
        is_cut = self._cuts.candidates(0) is not None
        note(f"g4run: the device {'can' if is_cut else 'cannot'} cut the logits to the likeliest\n")
        return is_cut

    def compare(self) -> Comparison:
        """Both ways by turns, for about a second."""
        whole: list[float] = []
        cut: list[float] = []
        end = time.perf_counter() + _BUDGET_SECONDS
        for _round in range(_MOST_ROUNDS):
            for seconds, wanted in ((whole, False), (cut, True)):
                self._cuts.cut(0, wanted=wanted)
                seconds += self.run(_UNTIMED_STEPS + _TIMED_STEPS, end)[_UNTIMED_STEPS:]
        return Comparison(tuple(whole), tuple(cut))

    def run(self, steps: int, end: float = math.inf) -> list[float]:
        """Seconds of each step, until `end` at the latest; the cells are empty before and after."""
        seconds: list[float] = []
        started, token = time.perf_counter(), 0
        while len(seconds) < steps and started < end:
            token = self._step(len(seconds), token)
            started, before = time.perf_counter(), started
            seconds.append(started - before)
        self._context.clear()
        return seconds

    def _step(self, position: int, token: int) -> int:
        self._batch.clear()
        index = self._batch.append(0, position, [token], 1)
        code = self._context.decode(self._batch)
        self._batch.clear()
        if code != 0:
            raise LlamaError(f"llama_decode gave {code}")
        return _draw(self._cuts, self._sampler, self._context, index)


def _draw(cuts: Cuts, sampler: Sampler, context: Context, index: int) -> int:
    candidates = cuts.candidates(index)
    return sampler.draw(context, index) if candidates is None else sampler.draw_among(*candidates)


def _note(comparison: Comparison) -> Comparison:
    times = "too long for it to matter"
    if comparison.has_verdict:
        whole, cut = (f"{1000 * median(seconds):.3f} ms" for seconds in (comparison.whole, comparison.cut))
        times = f"{cut}, {whole} from whole ones"
    verdict = "used" if comparison.is_faster else "not used"
    note(f"g4run: a token from rows that the device cut takes {times}: the cut is {verdict}\n")
    return comparison


@contextlib.contextmanager
def _marked(path: bytes | None) -> Iterator[None]:
    """Have a file there meanwhile, on the disk too: a driver may take the whole machine down. Raises OSError."""
    if path is None:
        yield
        return
    mark = Path(os.fsdecode(path))
    with mark.open("xb") as file:
        os.fsync(file.fileno())
    try:
        yield
    finally:
        mark.unlink()
