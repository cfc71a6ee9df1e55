"""Ask a loaded model for a whole answer."""

from g4run.chat.messages import Conversation, Message, Role
from g4run.runtime.answers.answer import Answer, AnswerOptions
from g4run.runtime.model import ChatModel

HELLO = Conversation((Message.of(Role.USER, "Hello!"),))


def answer(model: ChatModel, options: AnswerOptions, conversation: Conversation = HELLO) -> Answer:
    answering = model.answer(conversation, options)
    for _ in answering:
        pass
    return answering.result
