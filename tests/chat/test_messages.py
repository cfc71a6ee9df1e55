from g4run.chat.messages import Conversation, MediaPart, Message, Role, TextPart


def test_a_message_of_one_string_is_not_in_parts() -> None:
    message = Message.of(Role.USER, "Hello")
    assert message == Message(Role.USER, (TextPart("Hello"),))
    assert message.text == "Hello"
    assert message.media == ()


def test_a_message_of_parts_keeps_their_order() -> None:
    message = Message.of(Role.USER, "What is ", MediaPart("image", "cat.png"), "this?")
    assert message.in_parts
    assert message.content == (TextPart("What is "), MediaPart("image", "cat.png"), TextPart("this?"))
    assert message.text == "What is this?"
    assert message.media == (MediaPart("image", "cat.png"),)


def test_a_message_without_content_is_empty() -> None:
    assert Message.of(Role.ASSISTANT) == Message(Role.ASSISTANT)


def test_a_conversation_needs_no_tools() -> None:
    assert Conversation(()).tools == ()
