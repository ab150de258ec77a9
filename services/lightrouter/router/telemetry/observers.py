"""The record of a route, and the observers that get it: metrics, logs and traffic."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol
from uuid import uuid4

from lightrouter.router.candidates import BootResult
from lightrouter.router.events import Events
from lightrouter.router.ledger import RouteLedger
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.error_reason_pb2 import (
    ERROR_REASON_CANCELLED,
    ERROR_REASON_DEADLINE_EXCEEDED,
    ERROR_REASON_INTERNAL,
    ErrorReason,
)
from lightrouter.v1.policy_pb2 import Policy
from lightrouter.v1.router_pb2 import Answer, Selection


class Outcome(Enum):
    """How a route ended."""

    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"


@dataclass(slots=True)
class RouteRecord:
    """The record of one route, filled in while it runs.

    Attributes:
        ledger: Its calls, stages and degradations.
        boots: What the candidates wrote in the boot stage, in the order of the pool.
        selection: The ranking and the candidates that went on; None before that.
        answer: The answer; None without one.
        error: Why there is no answer; unspecified if there is one.
        refused: Whether the caller has to change the request.
        first_text_s: Seconds to the first text of the answer; None if the caller did not watch.
        policy: The policy in force; None if the request was refused.
        stops: Whether the request has stop texts.
        caller: The name of its caller; empty if callers need no name.
        route_id: Its id, 32 hexadecimal digits. It is not the trace's id, because a trace may have several routes.
    """

    ledger: RouteLedger
    boots: tuple[BootResult, ...] = ()
    selection: Selection | None = None
    answer: Answer | None = None
    error: ErrorReason.ValueType = ErrorReason.ERROR_REASON_UNSPECIFIED
    refused: bool = False
    first_text_s: float | None = None
    policy: Policy | None = None
    stops: bool = False
    caller: str = ""
    route_id: str = field(default_factory=lambda: uuid4().hex)

    @property
    def outcome(self) -> Outcome:
        """How it ended: refused if the caller has to change the request, cancelled if it did not wait for the end."""
        if self.answer is not None:
            return Outcome.DEGRADED if self.answer.degraded else Outcome.OK
        if self.error == ERROR_REASON_CANCELLED:
            return Outcome.CANCELLED
        return Outcome.REFUSED if self.refused else Outcome.FAILED


class Observer(Protocol):
    """Gets notified of routes, in the span of each; must neither wait nor fail."""

    def started(self) -> None:
        """A route starts."""

    def ended(self, record: RouteRecord) -> None:
        """A route has ended, with an answer, an error or a cancellation."""


@contextmanager
def notifying(observers: Sequence[Observer], record: RouteRecord, deadline: Deadline, events: Events) -> Iterator[None]:
    """Notifies the observers of the start and the end of a route.

    Args:
        observers: The observers.
        record: The route's record; gets the error and the time to the first text.
        deadline: The route's deadline. A route that is cancelled then was not left by its caller.
        events: The events of the route.
    """
    for observer in observers:
        observer.started()
    try:
        yield
    except ServiceError as error:
        record.error = error.reason
        record.refused = error.code is Code.INVALID_ARGUMENT
        raise
    except asyncio.CancelledError:
        record.error = ERROR_REASON_DEADLINE_EXCEEDED if deadline.at_hand else ERROR_REASON_CANCELLED
        raise
    except Exception:
        record.error = ERROR_REASON_INTERNAL
        raise
    finally:
        if events.first_text_at is not None:
            record.first_text_s = record.ledger.seconds_to(events.first_text_at)
        for observer in observers:
            observer.ended(record)
