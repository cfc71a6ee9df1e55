"""A conversation with a loaded model, one question and answer at a time."""

from g4run.chat.messages import Conversation, Message, Role
from g4run.cli.output import Output
from g4run.cli.terminal.streaming import Display, show_answer, show_outcome
from g4run.runtime.answers.answer import Answer, AnswerOptions
from g4run.runtime.model import ChatModel


class ChatSession:
    """The turns so far and the model that answers."""

    def __init__(
        self, model: ChatModel, options: AnswerOptions, system: str | None, output: Output, display: Display
    ) -> None:
        self._model = model
        self._context_length = model.context_length
        self._options = options
        self._opening = () if system is None else (Message.of(Role.SYSTEM, system),)
        self._turns: tuple[Message, ...] = ()
        self._output = output
        self._display = display

    def ask(self, text: str) -> Answer:
        """Show the answer to a question and remember both; a question without an answer is dropped.

        Raises what the model raises, and leaves the conversation as it was.
        """
        if not self._model.is_ready:
            self._output.notes.write("Restarting the engine...\n")
        question = Message.of(Role.USER, text)
        conversation = Conversation((*self._opening, *self._turns, question))
        answer = show_answer(self._model.answer(conversation, self._options), self._output, self._display)
        show_outcome(answer, self._options, self._context_length, self._output, self._display)
        if answer.content:
            reply = Message.of(Role.ASSISTANT, answer.content)
            self._turns = (*self._turns, question, reply)
        return answer

    def clear(self) -> None:
        """Clear the conversation, but keep the system message."""
        self._turns = ()
