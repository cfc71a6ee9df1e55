"""A loaded model and its requests: each step is one decode call and the draws after it."""

import time
from collections.abc import Callable

from g4run.engine.kv_cache.cached_sequence import CacheSize
from g4run.engine.kv_cache.prompt_cache import PromptCache
from g4run.engine.kv_cache.state_files import SavedSettings
from g4run.engine.limits import MAX_DRAFT_TOKENS
from g4run.engine.llama import api as llama
from g4run.engine.log import note
from g4run.engine.parameters import LoadParameters
from g4run.engine.protocol import Failed, Loaded, Report, Sampled, Step, Submit
from g4run.engine.sampling.logprobs import LogProbabilities
from g4run.engine.sampling.sampler import Sampler
from g4run.engine.sampling.token_table import TokenTable
from g4run.engine.speculation.forced import ForcedDrafter
from g4run.engine.speculation.lookup import LookupDrafter
from g4run.engine.speculation.mtp import MtpDrafter
from g4run.engine.speculation.speculator import Drafter, Speculator
from g4run.engine.worker.active_request import ActiveRequest, make_request
from g4run.engine.worker.request import Request, Slice
from g4run.engine.worker.scheduler import Scheduler

# How long prompts may delay one step of generating requests, at the measured speed: allows a whole micro-batch from
# 51 tokens per second. Smaller parts cost more than they gain: with 1 s, 8 streams of 128-token prompts were 12 %
# slower together than llama-server's on two cores, and the last first token came 40 % later.
_STALL_SECONDS = 10.0
_MIN_PROMPT_TOKENS = 64  # with fewer, reading the weights bounds the step, and the prompt takes longer for no gain
_WARM_UP_TOKENS = 2  # one token and several tokens use different kernels


class Generator:
    """A loaded model and its requests. Raises LlamaError if llama.cpp cannot load the model."""

    def __init__(
        self, parameters: LoadParameters, report: Callable[[Report], None], progress: Callable[[float], None]
    ) -> None:
        self._report = report
        self.model = llama.Model(parameters, progress)
        self._context = llama.Context(self.model, parameters)
        self._speculator = _make_speculator(parameters, self.model, self._context, self._forced_tokens)
        self._batch = llama.Batch(self._context.micro_batch, parameters.sequences)
        self.cache = PromptCache(self._context, _cache_size(self._context, parameters))
        self._scheduler = Scheduler(self.cache, self._context.micro_batch, parameters.queue_length)
        self._active: dict[int, ActiveRequest] = {}
        self._kv_type = parameters.kv_type.value
        self._suppressed = list(self.model.suppressed_tokens())
        self._token_table = TokenTable(self.model.vocabulary)
        self._warm_up()
        self.loaded = Loaded(self._context.context_length, self.model.parameter_count)

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to compute."""
        return self._scheduler.is_idle

    def submit(self, command: Submit) -> None:
        """Queue a request, or report why it is refused."""
        tokens_are_sound = all(0 <= token < self.model.vocabulary_size for token in command.tokens)
        try:
            if not tokens_are_sound or not 0 < len(command.tokens) < self._context.context_length:
                raise ValueError("the prompt is empty, too long, or has a token out of range")
            limit = self._token_limit(command)
            sampler = Sampler(command.parameters, self._token_table, self._suppressed, command.tokens, limit)
        except ValueError as error:
            self._report(Failed(command.request_id, str(error), "refused"))
            return
        active = ActiveRequest(command, make_request(command), sampler)
        if self._scheduler.submit(active.request):
            self._active[command.request_id] = active
            return
        sampler.close()
        reason = f"the engine is busy, and its queue is full ({len(self._scheduler.waiting)} waiting)"
        self._report(Failed(command.request_id, reason, "busy"))

    def cancel(self, request_id: int) -> None:
        """End a request; does nothing if it has already ended."""
        found = self._scheduler.cancel(request_id)
        if found is not None:
            self._end(found, "cancelled")

    def step(self) -> None:
        """Run one decode call and draw tokens."""
        started = time.monotonic()
        for request in self._scheduler.expire(started):
            self._end(request, "deadline")
        for request in self._scheduler.admit():
            active = self._active[request.request_id]
            active.started = active.started or started
        drafts = self._scheduler.only_generating_request
        batch = self._scheduler.next_batch(self._propose(drafts))
        if not batch:
            return
        firsts = self._fill(batch)
        code = self._context.decode(self._batch)
        if code == 0:
            self._follow_up(batch, firsts, started, speculated=drafts is not None)
        elif code != 1:
            self.fail_all(f"llama.cpp could not compute the batch (llama_decode returned {code})")
        elif not self.cache.evict_oldest() and self._scheduler.preempt() is None:
            self._fail(batch[0].request, "the cache has no room for the next tokens")

    def fail_all(self, reason: str) -> None:
        """Fail every request and clear the cache."""
        for active in tuple(self._active.values()):
            self._fail(active.request, reason)
        self.cache.clear()
        self._context.clear()

    def saved_settings(self, model_digest: str) -> SavedSettings:
        """Return the settings that a state file must match."""
        return SavedSettings(
            model_digest=model_digest,
            kv_type=self._kv_type,
            layers=self.model.layers,
            window=self._context.window,
            vocabulary_size=self.model.vocabulary_size,
            library=llama.LIBRARY_VERSION,
        )

    def _token_limit(self, command: Submit) -> int:
        room = self._context.context_length + 1 - len(command.tokens)  # the last one needs no cell
        wanted = command.parameters.max_tokens
        return room if wanted is None else min(wanted, room)

    def _follow_up(self, batch: list[Slice], firsts: list[int], started: float, *, speculated: bool) -> None:
        due = self._scheduler.record_computed(batch)
        accepted = self._draw_all(batch, firsts)
        seconds = time.monotonic() - started
        if speculated:
            self._speculator.observe(accepted, seconds)
        for sequence in due:  # after the drawn tokens are sent, so that nobody waits for it
            self.cache.take_checkpoint(sequence)
        tokens = sum(len(part.tokens) for part in batch)
        if tokens >= _MIN_PROMPT_TOKENS:
            limit = int(_STALL_SECONDS * tokens / max(seconds, 1e-6))
            self._scheduler.prompt_limit = min(max(limit, _MIN_PROMPT_TOKENS), self._context.micro_batch)

    def _fill(self, batch: list[Slice]) -> list[int]:
        self._batch.clear()
        return [self._batch.append(part.sequence_id, part.position, part.tokens, part.outputs) for part in batch]

    def _propose(self, request: Request | None) -> list[int]:
        if request is None or not self._active[request.request_id].submit.parameters.speculates:
            return []
        room = self._context.context_length - len(request.tokens)
        if request.max_tokens is not None:
            room = min(room, request.max_tokens - request.generated - 1)
        most = min(room, MAX_DRAFT_TOKENS, self._context.micro_batch - 1)
        return self._speculator.propose(request.request_id, request.tokens, most)

    def _forced_tokens(self, request_id: int) -> list[int]:
        return self._active[request_id].sampler.forced_tokens()

    def _draw_all(self, batch: list[Slice], firsts: list[int]) -> int:
        """Draw for every slice with outputs, report the tokens and end finished requests; return the accepted count."""
        sampled: list[Sampled] = []
        ended: list[tuple[Request, str]] = []
        accepted = 0
        for part, first in zip(batch, firsts, strict=True):
            if part.outputs:
                right, reason = self._draw_slice(part, first, sampled)
                accepted += right
                if reason:
                    ended.append((part.request, reason))
        self._report(Step(sampled))
        for request, reason in ended:
            self._scheduler.finish(request)
            self._end(request, reason)
        return accepted

    def _draw_slice(self, part: Slice, first: int, sampled: list[Sampled]) -> tuple[int, str]:
        """Draw until a token differs from the draft; return the accepted count and the finish reason, if any."""
        request, active = part.request, self._active[part.request.request_id]
        drafted = part.tokens[len(part.tokens) - part.drafted :]
        for right in range(part.outputs):
            sampled.append(self._draw(active, part.sequence_id, first + right))
            token = sampled[-1].token
            reason = self._accept(active, token)
            if reason or right == part.drafted or token != drafted[right]:
                break
            self._scheduler.accept_draft(request)
        if part.drafted:
            self._context.truncate(part.sequence_id, request.computed)
            active.drafted += part.drafted
            active.accepted += right
        if len(self._scheduler.running) == 1:
            self._speculator.follow(request.request_id, part.sequence_id, len(request.tokens), first + right)
        return right, reason

    def _draw(self, active: ActiveRequest, sequence_id: int, index: int) -> Sampled:
        request_id, wanted = active.submit.request_id, active.submit.parameters.logprobs
        token = active.sampler.draw_from(self._context.logits(index))
        active.note_token()
        if wanted is None:
            return Sampled(request_id, sequence_id, token)
        row = LogProbabilities(self._context.logits(index))
        return Sampled(request_id, sequence_id, token, row.of(token), row.likeliest(wanted))

    def _accept(self, active: ActiveRequest, token: int) -> str:
        """Record a drawn token; return the finish reason, if any."""
        may_go_on = self._scheduler.accept(active.request, token)
        if active.sampler.ended_by is not None:
            return active.sampler.ended_by
        if self.model.is_end(token) or active.sampler.is_finished_by_grammar:
            return "stop"
        return "" if may_go_on else "length"

    def _fail(self, request: Request, reason: str) -> None:
        self._scheduler.cancel(request.request_id)
        self._active.pop(request.request_id).sampler.close()
        self._report(Failed(request.request_id, reason))

    def _end(self, request: Request, reason: str) -> None:
        active = self._active.pop(request.request_id)
        active.sampler.close()
        if reason == "refused":
            self._report(Failed(request.request_id, active.sampler.refusal, "refused"))
        else:
            self._report(active.finished_report(reason, max(self._speculator.gains)))

    def _warm_up(self) -> None:
        """Decode once like a prompt and once like a token, so that the first request does not pay one-time costs."""
        for count in (min(_WARM_UP_TOKENS, self._context.micro_batch), 1):
            self._batch.clear()
            self._batch.append(0, 0, [0] * count, 1)
            self._context.decode(self._batch)
            self._context.clear()
        self._batch.clear()


def _make_speculator(
    parameters: LoadParameters, model: llama.Model, context: llama.Context, forced: Callable[[int], list[int]]
) -> Speculator:
    """Make the drafters: MTP where its file works, grammar, look-up. Before anything is decoded: see MtpDrafter."""
    drafters: list[Drafter] = [ForcedDrafter(forced), LookupDrafter()]
    if parameters.drafter_path is not None:
        try:
            drafters.insert(0, MtpDrafter(parameters, model, context))
        except llama.LlamaError as error:  # the model works without it, only slower
            note(f"g4run: the drafter is not used: {error}\n")
    return Speculator(drafters, MAX_DRAFT_TOKENS)


def _cache_size(context: llama.Context, parameters: LoadParameters) -> CacheSize:
    return CacheSize(
        sequences=parameters.sequences,
        cells=context.context_length,
        sliding_cells=context.sliding_cells,
        window=context.window,
        checkpoint_bytes=parameters.checkpoint_bytes,
        ram_cache_bytes=parameters.ram_cache_bytes,
    )
