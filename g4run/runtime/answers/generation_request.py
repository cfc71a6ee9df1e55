"""Convert a request to the engine's parameters: the grammar, the thinking tokens, and forbidden tokens."""

import math
from dataclasses import replace
from typing import Final

from g4run.chat.messages import Conversation
from g4run.chat.render import Prompt
from g4run.chat.tokens import CHANNEL_CLOSE, CHANNEL_OPEN, TOOL_CALL_OPEN
from g4run.engine.llama.vocabulary import Vocabulary
from g4run.engine.parameters import GenerationParameters, SamplingParameters, ThoughtTokens
from g4run.runtime.answers.answer import AnswerOptions, ToolChoice
from g4run.runtime.answers.constraint import compile_grammar
from g4run.runtime.answers.prompt import control_token

_THOUGHT_NAME: Final = "thought\n"


def make_parameters(
    conversation: Conversation, options: AnswerOptions, prompt: Prompt, vocabulary: Vocabulary, seed: int
) -> GenerationParameters:
    """Return the engine's parameters for a request. Raises UsageError as compile_grammar does, and InvalidModelFile."""
    budget = options.thinking_budget if options.thinking else None
    if budget is not None and not prompt.opens_thought:
        budget += len(vocabulary.tokenize(_THOUGHT_NAME))  # the engine counts the name too
    return GenerationParameters(
        max_tokens=options.max_tokens,
        sampling=_sampling(conversation, options, vocabulary, seed),
        logprobs=options.logprobs,
        grammar=compile_grammar(conversation, options),
        thought=_thought_tokens(prompt, vocabulary) if options.thinking else None,
        thinking_budget=budget,
        deadline_seconds=options.deadline_seconds,
    )


def _thought_tokens(prompt: Prompt, vocabulary: Vocabulary) -> ThoughtTokens:
    closing = (*vocabulary.tokenize("\n"), control_token(CHANNEL_CLOSE, vocabulary))
    return ThoughtTokens(control_token(CHANNEL_OPEN, vocabulary), closing, prompt.opens_thought)


def _sampling(
    conversation: Conversation, options: AnswerOptions, vocabulary: Vocabulary, seed: int
) -> SamplingParameters:
    """Return the requested sampling; if the model must not call tools, the token that opens a call is forbidden."""
    bias = options.sampling.logit_bias
    if conversation.tools and options.tool_choice is ToolChoice.NONE:
        bias = (*bias, (control_token(TOOL_CALL_OPEN, vocabulary), -math.inf))
    return replace(options.sampling, seed=seed, logit_bias=bias)
