"""What a request holds its answer to, as the engine is told it."""

import math
from collections.abc import Iterator

import pytest

from g4run.chat.messages import Conversation, JsonValue, Message, Role, Tool
from g4run.chat.render import PromptFormat, render
from g4run.chat.structured_output.grammar import Grammar, GrammarNotation
from g4run.chat.structured_output.json_schema import ANY_OBJECT, compile_json_schema
from g4run.chat.structured_output.tool_calls import calls_or_json_grammar, tool_call_grammar
from g4run.chat.tokens import CHANNEL_CLOSE, CHANNEL_OPEN, CONTROL_TEXTS, TOOL_CALL_OPEN
from g4run.engine.llama.vocabulary import Vocabulary
from g4run.engine.parameters import GenerationParameters, SamplingParameters, ThoughtTokens
from g4run.errors import UsageError
from g4run.runtime.answers.answer import AnswerOptions, JsonFormat, NamedTool, ToolChoice
from g4run.runtime.answers.constraint import compile_grammar
from g4run.runtime.answers.generation_request import make_parameters
from tests.fakes.library import resolve

QUESTION = Message.of(Role.USER, "q")
TOOLS = (Tool("ping"), Tool("pong"))
PLAIN, WITH_TOOLS = Conversation((QUESTION,)), Conversation((QUESTION,), TOOLS)
SCHEMA: JsonValue = {"type": "integer"}


@pytest.fixture(scope="module")
def vocabulary() -> Iterator[Vocabulary]:
    vocabulary = Vocabulary(resolve("demo").path, CONTROL_TEXTS)
    yield vocabulary
    vocabulary.close()


def parameters(conversation: Conversation, options: AnswerOptions, vocabulary: Vocabulary) -> GenerationParameters:
    prompt = render(conversation, PromptFormat.SMALL, thinking=options.thinking)
    return make_parameters(conversation, options, prompt, vocabulary, 7)


@pytest.mark.parametrize(
    ("conversation", "options", "grammar"),
    [
        (WITH_TOOLS, AnswerOptions(), None),
        (WITH_TOOLS, AnswerOptions(tool_choice=ToolChoice.NONE), None),
        (PLAIN, AnswerOptions(response_format=JsonFormat()), compile_json_schema(ANY_OBJECT)),
        (PLAIN, AnswerOptions(response_format=JsonFormat(SCHEMA)), compile_json_schema(SCHEMA)),
        (WITH_TOOLS, AnswerOptions(response_format=JsonFormat(SCHEMA)), calls_or_json_grammar(TOOLS, SCHEMA)),
        (WITH_TOOLS, AnswerOptions(response_format=JsonFormat()), calls_or_json_grammar(TOOLS, ANY_OBJECT)),
        (
            WITH_TOOLS,
            AnswerOptions(response_format=JsonFormat(), tool_choice=ToolChoice.NONE),
            compile_json_schema(ANY_OBJECT),
        ),
        (WITH_TOOLS, AnswerOptions(tool_choice=ToolChoice.REQUIRED), tool_call_grammar(TOOLS)),
        (WITH_TOOLS, AnswerOptions(tool_choice=NamedTool("pong")), tool_call_grammar(TOOLS, "pong")),
        (WITH_TOOLS, AnswerOptions(grammar=Grammar('root ::= "a"')), Grammar('root ::= "a"').write_lark()),
        (PLAIN, AnswerOptions(grammar=Grammar('start: "a"', GrammarNotation.LARK)), 'start: "a"'),
        (PLAIN, AnswerOptions(grammar=Grammar(r"[0-9]/\/", GrammarNotation.REGEX)), "start: /[0-9]\\/\\//\n"),
    ],
)
def test_each_wish_is_a_grammar(conversation: Conversation, options: AnswerOptions, grammar: str | None) -> None:
    assert compile_grammar(conversation, options) == grammar


@pytest.mark.parametrize(
    ("conversation", "options", "message"),
    [
        (PLAIN, AnswerOptions(tool_choice=ToolChoice.REQUIRED), "there is no tool to call"),
        (WITH_TOOLS, AnswerOptions(tool_choice=NamedTool("pang")), 'there is no tool "pang"'),
        (
            PLAIN,
            AnswerOptions(grammar=Grammar("root ::= (")),
            "grammar, line 1, column 11: expected a closing parenthesis",
        ),
        (
            PLAIN,
            AnswerOptions(grammar=Grammar('start: "a"\n  | item', GrammarNotation.LARK)),
            'grammar, line 1, column 8: unknown name: "item"',
        ),
        (
            PLAIN,
            AnswerOptions(grammar=Grammar("a(?=b)", GrammarNotation.REGEX)),
            "grammar: look-around, including look-ahead and look-behind, is not supported",
        ),
        (
            PLAIN,
            AnswerOptions(response_format=JsonFormat({"items": {"minimum": 0.3, "maximum": 0.3, "multipleOf": 0.1}})),
            "the JSON schema at #/items: failed to compile JSON schema: Unsatisfiable schema: "
            "range [0.30000000000000004, 0.2] does not contain a multiple of 0.1",
        ),
        (
            PLAIN,
            AnswerOptions(response_format=JsonFormat({"$ref": "#/nowhere"})),
            'the JSON schema at #/$ref: there is nothing at "#/nowhere"',
        ),
        (
            PLAIN,
            AnswerOptions(response_format=JsonFormat(), grammar=Grammar('root ::= "a"')),
            "a grammar, a response format and a required tool call cannot be combined",
        ),
    ],
)
def test_what_cannot_be_is_one_sentence(conversation: Conversation, options: AnswerOptions, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        compile_grammar(conversation, options)
    assert caught.value.message == message


def test_a_free_answer_is_told_nothing_more(vocabulary: Vocabulary) -> None:
    options = AnswerOptions(sampling=SamplingParameters(0.5), max_tokens=3, logprobs=2, deadline_seconds=4.0)
    assert parameters(WITH_TOOLS, options, vocabulary) == GenerationParameters(
        max_tokens=3, sampling=SamplingParameters(0.5, seed=7), logprobs=2, deadline_seconds=4.0
    )


def test_a_thought_is_known_by_its_tokens_and_its_name_is_no_part_of_the_budget(vocabulary: Vocabulary) -> None:
    found = parameters(PLAIN, AnswerOptions(thinking=True, thinking_budget=10), vocabulary)
    opening, closing = vocabulary.control_token(CHANNEL_OPEN), vocabulary.control_token(CHANNEL_CLOSE)
    assert found.thought == ThoughtTokens(opening, (*vocabulary.tokenize("\n"), closing), opens_in_prompt=False)
    assert found.thinking_budget == 10 + len(vocabulary.tokenize("thought\n"))


def test_without_thinking_there_is_no_thought_and_no_budget(vocabulary: Vocabulary) -> None:
    found = parameters(PLAIN, AnswerOptions(thinking_budget=10, response_format=JsonFormat()), vocabulary)
    assert (found.thought, found.thinking_budget, found.grammar) == (None, None, compile_json_schema(ANY_OBJECT))


def test_a_model_that_must_not_call_cannot_open_a_call(vocabulary: Vocabulary) -> None:
    biased = SamplingParameters(logit_bias=((5, 1.0),))
    found = parameters(WITH_TOOLS, AnswerOptions(sampling=biased, tool_choice=ToolChoice.NONE), vocabulary)
    call = vocabulary.control_token(TOOL_CALL_OPEN)
    assert found.sampling.logit_bias == ((5, 1.0), (call, -math.inf))
    assert parameters(PLAIN, AnswerOptions(tool_choice=ToolChoice.NONE), vocabulary).sampling.logit_bias == ()
