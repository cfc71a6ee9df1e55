"""The texts of Gemma 4's control tokens, as in its vocabulary."""

from typing import Final

BOS: Final = "<bos>"
EOS: Final = "<eos>"
TURN_OPEN: Final = "<|turn>"
TURN_CLOSE: Final = "<turn|>"
CHANNEL_OPEN: Final = "<|channel>"
CHANNEL_CLOSE: Final = "<channel|>"
THINK: Final = "<|think|>"
TOOL_OPEN: Final = "<|tool>"
TOOL_CLOSE: Final = "<tool|>"
TOOL_CALL_OPEN: Final = "<|tool_call>"
TOOL_CALL_CLOSE: Final = "<tool_call|>"
TOOL_RESPONSE_OPEN: Final = "<|tool_response>"
TOOL_RESPONSE_CLOSE: Final = "<tool_response|>"
QUOTE: Final = '<|"|>'

CONTROL_TEXTS: Final = (
    BOS,
    EOS,
    TURN_OPEN,
    TURN_CLOSE,
    CHANNEL_OPEN,
    CHANNEL_CLOSE,
    THINK,
    TOOL_OPEN,
    TOOL_CLOSE,
    TOOL_CALL_OPEN,
    TOOL_CALL_CLOSE,
    TOOL_RESPONSE_OPEN,
    TOOL_RESPONSE_CLOSE,
    QUOTE,
    *("<pad>", "<unk>", "<mask>"),
    *("<|image|>", "<|image>", "<image|>", "<|audio|>", "<|audio>", "<audio|>", "<|video|>"),
)
"""Every text that must not become a control token when it comes from a user, a tool or a model.

Gemma's vocabulary marks some of them USER_DEFINED (both channel tags, both call tags, both response tags and the
quote): llama.cpp turns these into tokens even with special parsing off, so the tokenizer must split them.
"""
