"""A conversation with tool calls: who made the call that a result answers, and what each candidate may read."""

from __future__ import annotations

from collections.abc import Sequence

from lightrouter.runtime.errors import invalid
from lightrouter.v1.chat_pb2 import ROLE_TOOL, ChatMessage


def check_results(messages: Sequence[ChatMessage]) -> None:
    """Checks that each result of a tool answers an earlier call.

    Raises:
        ServiceError: INVALID_ARGUMENT: one does not.
    """
    asked: set[str] = set()
    for index, message in enumerate(messages):
        asked.update(call.id for call in message.tool_calls)
        if message.role == ROLE_TOOL and message.tool_call_id not in asked:
            field = f"prompt.messages[{index}].tool_call_id"
            raise invalid(field, "no assistant's message before it has a tool call with this id")


def author_of_call(messages: Sequence[ChatMessage]) -> str:
    """Returns the candidate that made the call whose result ends the conversation; empty if none or not known."""
    if messages[-1].role != ROLE_TOOL:
        return ""
    answered = messages[-1].tool_call_id
    for message in reversed(messages):
        if any(call.id == answered for call in message.tool_calls):
            return message.candidate
    return ""


def own_messages(messages: Sequence[ChatMessage], candidate: str) -> Sequence[ChatMessage]:
    """Returns a conversation as a candidate may read it: the state of answers goes only to their author."""
    if not any(message.state and message.candidate != candidate for message in messages):
        return messages
    found: list[ChatMessage] = []
    for message in messages:
        if message.state and message.candidate != candidate:
            copied = ChatMessage()
            copied.CopyFrom(message)
            copied.ClearField("state")
            found.append(copied)
        else:
            found.append(message)
    return found
