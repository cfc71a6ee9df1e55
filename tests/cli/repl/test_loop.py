import signal

import pytest

from g4run.chat.messages import Conversation, Message, Role
from g4run.chat.parse import TextDelta, ThinkingDelta
from g4run.cli.repl.loop import converse
from g4run.cli.repl.session import ChatSession
from g4run.cli.terminal.streaming import Display
from g4run.errors import Interrupted, WorkerDied
from g4run.runtime.answers.answer import AnswerOptions
from g4run.runtime.model import AnswerStream
from tests.fakes.scripted_model import Script, ScriptedModel
from tests.fakes.streams import RecordedOutput

HELP = '''\
/help, /?    list these commands
/clear       clear the conversation
/bye, /exit  leave the chat (or press Ctrl-D)

Enter sends the message. """ starts and ends a multi-line message.
Ctrl-C stops the answer.
'''


def says(text: str) -> Script:
    return Script([TextDelta(text)])


def stopped(*texts: str) -> Script:
    """An answer that Ctrl-C stops before its last piece."""
    interruption = (len(texts) - 1, lambda: signal.raise_signal(signal.SIGINT))
    return Script([TextDelta(text) for text in texts], interruption=interruption)


def talk(
    model: ScriptedModel, messages: list[str], *, system: str | None = None, is_interactive: bool = False
) -> tuple[str, str]:
    output = RecordedOutput()
    session = ChatSession(model, AnswerOptions(), system, output, Display())
    converse(session, messages, output, is_interactive=is_interactive)
    return output.stdout, output.stderr


def turns(*texts: str, system: str | None = None) -> Conversation:
    """A conversation of a person and a model in turn."""
    opening = () if system is None else (Message.of(Role.SYSTEM, system),)
    roles = (Role.USER, Role.ASSISTANT) * len(texts)
    return Conversation((*opening, *(Message.of(role, text) for role, text in zip(roles, texts, strict=False))))


def test_each_message_includes_the_history() -> None:
    model = ScriptedModel(says("Hello!"), Script([ThinkingDelta("Hm."), TextDelta("Well.")]), says("Bye."))
    assert talk(model, ["Hi\n", '"""\nHow are\nyou?\n"""\n', "Bye"], system="Be brief.") == (
        "Hello!\nWell.\nBye.\n",
        "Thinking...\nHm.\n...done thinking.\n\n",
    )
    assert model.asked == [
        turns("Hi", system="Be brief."),
        turns("Hi", "Hello!", "How are\nyou?", system="Be brief."),
        turns("Hi", "Hello!", "How are\nyou?", "Well.", "Bye", system="Be brief."),
    ]


def test_clear_forgets_the_turns_but_not_the_system_message() -> None:
    model = ScriptedModel(says("a"), says("b"))
    assert talk(model, ["1", "/clear", "2"], system="S") == ("a\nb\n", "Conversation cleared.\n")
    assert model.asked == [turns("1", system="S"), turns("2", system="S")]


def test_bye_ends_the_chat() -> None:
    assert talk(ScriptedModel(), ["/bye", "not asked"]) == ("", "")
    assert talk(ScriptedModel(), ["/exit", "not asked"]) == ("", "")


def test_help_lists_the_commands() -> None:
    assert talk(ScriptedModel(), ["/help"]) == ("", HELP)
    assert talk(ScriptedModel(), [" /? \n"]) == ("", HELP)


@pytest.mark.parametrize(
    ("line", "stderr"),
    [
        ("/hlep", "Error: there is no command /hlep\nHint: /help\n"),
        ("/exi", "Error: there is no command /exi\nHint: /exit\n"),
        ("/set temperature 1", "Error: there is no command /set\nHint: /help\n"),
        ("/", "Error: there is no command /\nHint: /help\n"),
        ("/clear all", "Error: /clear takes no arguments\nHint: /clear\n"),
    ],
)
def test_an_unknown_command_gets_a_suggestion(line: str, stderr: str) -> None:
    assert talk(ScriptedModel(), [line]) == ("", stderr)


@pytest.mark.parametrize("text", ["/home/me/cat.png is a path", "/2 is half", "1/2"])
def test_not_every_slash_is_a_command(text: str) -> None:
    model = ScriptedModel(says("ok"))
    assert talk(model, [text]) == ("ok\n", "")
    assert model.asked == [turns(text)]


def test_a_block_is_never_a_command() -> None:
    model = ScriptedModel(says("ok"))
    talk(model, ['"""/bye"""'])
    assert model.asked == [turns("/bye")]


def test_empty_lines_are_ignored() -> None:
    assert talk(ScriptedModel(), ["\n", "  \n", '""""""\n']) == ("", "")


def test_a_dead_engine_is_reported_and_the_chat_goes_on() -> None:
    died = Script([TextDelta("Hel")], failure=WorkerDied("the engine died", "see the log"))
    model = ScriptedModel(says("a"), died, says("c"))
    assert talk(model, ["1", "2", "3"]) == ("a\nHel\nc\n", "Error: the engine died\nHint: see the log\n")
    assert model.asked[-1] == turns("1", "a", "3")


def test_an_engine_restart_is_announced() -> None:
    model = ScriptedModel(says("a"))
    model.is_alive = False
    assert talk(model, ["1"]) == ("a\n", "Restarting the engine...\n")


def test_at_a_terminal_ctrl_c_stops_only_the_answer() -> None:
    model = ScriptedModel(stopped("Hel", "lo"), stopped("never"), says("c"))
    assert talk(model, ["1", "2", "3"], is_interactive=True) == ("Hel\nc\n", "\n\n\n")
    assert model.asked[-1] == turns("1", "Hel", "3")


def test_in_a_pipe_ctrl_c_ends_the_program() -> None:
    with pytest.raises(Interrupted):
        talk(ScriptedModel(stopped("Hel", "lo")), ["1", "2"])


def test_ctrl_c_before_an_answer_begins_ends_only_a_pipe() -> None:
    class Early(ScriptedModel):
        def answer(self, conversation: Conversation, options: AnswerOptions) -> AnswerStream:
            if not self.asked:
                self.asked.append(conversation)
                signal.raise_signal(signal.SIGINT)
            return super().answer(conversation, options)

    assert talk(Early(says("b")), ["1", "2"], is_interactive=True) == ("b\n", "\n\n")
    with pytest.raises(KeyboardInterrupt):
        talk(Early(says("b")), ["1", "2"])
