"""The text of messages."""

from __future__ import annotations

from lightrouter.v1.chat_pb2 import ChatMessage


def text_of(message: ChatMessage) -> str:
    """Returns the text of a message, that of its parts included."""
    if not message.parts:
        return message.content
    return "\n\n".join(filter(None, [message.content, *(part.text for part in message.parts)]))
