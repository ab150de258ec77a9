"""A handle on the span of a model call: only its caller knows that the call was chosen to go on."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol


class CallSpan(Protocol):
    """The span of a model call."""

    def chosen(self, output_tokens: int) -> None:
        """Records that the caller has chosen the call to go on; `output_tokens` are the tokens so far."""
        ...


class CallHandle:
    """A handle on the span of the model call that the owner's task makes.

    It works through the context of the task, so that models without spans need not know of it.
    """

    def __init__(self) -> None:
        self._span: CallSpan | None = None

    def attach(self) -> None:
        """Takes the outermost span of the next call of the current task."""
        _handle.set(self)

    def follow(self, span: CallSpan) -> None:
        """Takes the span unless it has one: in one process, the span of a call to another service comes first."""
        self._span = self._span or span

    def chosen(self, output_tokens: int) -> None:
        """Records that the call is chosen; does nothing if it has no span."""
        if self._span is not None:
            self._span.chosen(output_tokens)


_handle: ContextVar[CallHandle | None] = ContextVar("call_handle", default=None)


def announce(span: CallSpan) -> None:
    """Gives the span of a model call that begins to the handle of the current task, if there is one."""
    handle = _handle.get()
    if handle is not None:
        handle.follow(span)
