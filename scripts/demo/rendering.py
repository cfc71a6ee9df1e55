"""A conversation as the text of a prompt: g4run's own renderer, in the format of the small models."""

from g4run.chat.openai_shape import parse_conversation
from g4run.chat.render import PromptFormat, render
from scripts.demo.corpus import Conversation, Json


def render_conversation(conversation: Conversation) -> str:
    """Return the whole conversation, the last answer and its end included."""
    return render_messages(conversation.messages(), conversation.declarations(), conversation.think, prompt=False)


def render_messages(messages: list[Json], tools: list[Json] | None, think: bool, prompt: bool = True) -> str:
    """Return messages in OpenAI's shape as text; with `prompt`, up to where the model is to speak."""
    whole = parse_conversation({"messages": messages, "tools": tools or []})
    return render(whole, PromptFormat.SMALL, thinking=think, add_generation_prompt=prompt).text
