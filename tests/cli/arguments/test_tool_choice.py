"""Values of --tool-choice, and errors for impossible ones."""

import pytest

from g4run.chat.messages import Conversation, Message, Role, Tool
from g4run.chat.structured_output.grammar import Grammar
from g4run.cli.arguments.response_format import add_tool_choice, check_has_messages
from g4run.errors import UsageError
from g4run.runtime.answers.answer import AnswerOptions, JsonFormat, NamedTool, ToolChoice

QUESTION = (Message.of(Role.USER, "What is the weather in Krakow?"),)
TOOLS = Conversation(QUESTION, (Tool("get weather"), Tool("get_time"), Tool("broken", parameters={"type": "string"})))
ASKED = AnswerOptions(max_tokens=7)


@pytest.mark.parametrize(
    ("typed", "choice"),
    [
        ("auto", ToolChoice.AUTO),
        ("none", ToolChoice.NONE),
        ("get_time", NamedTool("get_time")),
    ],
)
def test_a_choice_is_a_word_or_a_tool_name(typed: str, choice: ToolChoice | NamedTool) -> None:
    assert add_tool_choice(ASKED, typed, TOOLS) == AnswerOptions(max_tokens=7, tool_choice=choice)


def test_a_call_of_any_tool() -> None:
    conversation = Conversation(QUESTION, (Tool("get_time"),))
    required = AnswerOptions(max_tokens=7, tool_choice=ToolChoice.REQUIRED)
    assert add_tool_choice(ASKED, "required", conversation) == required


def test_without_the_option_nothing_changes() -> None:
    check_has_messages(None, None)
    assert add_tool_choice(ASKED, None, Conversation(QUESTION)) == ASKED


def test_an_answer_without_calls_may_be_constrained() -> None:
    json = AnswerOptions(response_format=JsonFormat())
    held = AnswerOptions(response_format=JsonFormat(), tool_choice=ToolChoice.NONE)
    assert add_tool_choice(json, "none", TOOLS) == held


def test_without_messages_there_are_no_tools() -> None:
    check_has_messages("auto", "messages.json")
    with pytest.raises(UsageError) as caught:
        check_has_messages("auto", None)
    assert caught.value.message == "--tool-choice needs the tools in --messages"


@pytest.mark.parametrize(
    ("options", "typed", "conversation", "message", "hint"),
    [
        (
            ASKED,
            "auto",
            Conversation(QUESTION),
            "--tool-choice was given, but the messages declare no tools",
            'add tools next to the messages: {"messages": [...], "tools": [...]}',
        ),
        (ASKED, "get_tim", TOOLS, "the messages declare no tool 'get_tim'", "--tool-choice 'get weather'"),
        (
            AnswerOptions(response_format=JsonFormat()),
            "get_time",
            TOOLS,
            "--tool-choice get_time and --format cannot be used together",
            "omit one of them",
        ),
        (
            AnswerOptions(grammar=Grammar('root ::= "x"')),
            "required",
            TOOLS,
            "--tool-choice required and --grammar cannot be used together",
            "omit one of them",
        ),
        (
            ASKED,
            "broken",
            TOOLS,
            'the parameters of the tool "broken" at #: arguments are always an object; add "type": "object"',
            "",
        ),
    ],
)
def test_an_impossible_choice_is_refused_before_loading(
    options: AnswerOptions, typed: str, conversation: Conversation, message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        add_tool_choice(options, typed, conversation)
    assert (caught.value.message, caught.value.hint) == (message, hint)
