"""The caller of the call that a task serves: the name of its token, or of its certificate."""

from __future__ import annotations

from contextvars import ContextVar

_current: ContextVar[str] = ContextVar("lightrouter_caller", default="")


def set_current_caller(name: str) -> None:
    """Sets the caller of the call that this task serves."""
    _current.set(name)


def current_caller() -> str:
    """Returns the caller of the call that this task serves; empty if callers need no name."""
    return _current.get()
