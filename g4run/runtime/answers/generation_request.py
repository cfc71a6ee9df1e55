"""What a request holds its answer to, as the engine takes it: a grammar, the tokens of a thought, forbidden tokens."""

import math
from dataclasses import replace

from g4run.chat.grammars.json_schema import compile_json_schema, json_grammar
from g4run.chat.grammars.tool_calls import calls_or_json_grammar, tool_call_grammar
from g4run.chat.messages import Conversation
from g4run.chat.render import Prompt
from g4run.chat.tokens import CHANNEL_CLOSE, CHANNEL_OPEN, TOOL_CALL_OPEN
from g4run.engine.gbnf_check import read_grammar
from g4run.engine.llama.vocabulary import Vocabulary
from g4run.engine.parameters import GenerationParameters, SamplingParameters, ThoughtTokens
from g4run.errors import UsageError
from g4run.runtime.answers.answer import AnswerOptions, JsonFormat, NamedTool, ToolChoice
from g4run.runtime.answers.prompt import control_token

_THOUGHT_NAME = "thought\n"


def compile_grammar(conversation: Conversation, options: AnswerOptions) -> str | None:
    """The grammar of what a request asks for, None if it asks for nothing.

    With tools that the model may call, an answer in JSON may be calls as well; a grammar in GBNF has to allow for them
    itself. Raises UsageError: for what exclude each other, for a schema or a grammar that cannot be followed, and where
    there is no such tool.
    """
    if (options.response_format is not None) + (options.grammar is not None) + options.must_call > 1:
        raise UsageError("a grammar, a response format and a tool that must be called exclude one another")
    if options.must_call:
        choice = options.tool_choice
        return tool_call_grammar(conversation.tools, choice.name if isinstance(choice, NamedTool) else None)
    if options.response_format is not None:
        may_call = bool(conversation.tools) and options.tool_choice is ToolChoice.AUTO
        return _json_grammar(options.response_format, conversation, may_call=may_call)
    return None if options.grammar is None else _check_grammar(options.grammar)


def _json_grammar(format: JsonFormat, conversation: Conversation, *, may_call: bool) -> str:
    if may_call:
        return calls_or_json_grammar(conversation.tools, format.schema)
    return json_grammar() if format.schema is None else compile_json_schema(format.schema)


def _check_grammar(text: str) -> str:
    try:
        read_grammar(text)
    except ValueError as error:
        raise UsageError(str(error), "the notation is llama.cpp's GBNF, with the root rule `root`") from None
    return text


def make_parameters(
    conversation: Conversation, options: AnswerOptions, prompt: Prompt, vocabulary: Vocabulary, seed: int
) -> GenerationParameters:
    """A request as the engine takes it. Raises UsageError as compile_grammar does, and InvalidModelFile."""
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
    """The sampling as asked for; a model that must not call tools is kept from opening a call."""
    bias = options.sampling.logit_bias
    if conversation.tools and options.tool_choice is ToolChoice.NONE:
        bias = (*bias, (control_token(TOOL_CALL_OPEN, vocabulary), -math.inf))
    return replace(options.sampling, seed=seed, logit_bias=bias)
