"""Requests that come again: a retry of a finished request gets the same answer, and nothing is paid twice."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

from lightrouter.router.events import Events
from lightrouter.router.route import Router
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import deadline_exceeded
from lightrouter.v1.policy_pb2 import Policy
from lightrouter.v1.router_pb2 import Answer, Prompt

# Choices: clients that retry do so within minutes, and an answer has some ten kilobytes with its ledger.
_SECONDS: Final = 600.0
_MOST_BYTES: Final = 16 * 1024 * 1024


class RepeatedRequests:
    """Answers each request once, as far as the answers of the last minutes are kept.

    Only a request of the same caller with the same id and the same prompt is a repeated one. If it comes while the
    first one still runs, it waits for that one's answer. The answers are this router's own: another replica does not
    have them.
    """

    def __init__(
        self,
        router: Router,
        *,
        seconds: float = _SECONDS,
        most_bytes: int = _MOST_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Asks `router` for new answers, and keeps each for `seconds`, while all have at most `most_bytes` bytes."""
        self._router = router
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._clock = clock
        self._kept: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0
        self._running: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    async def route(
        self, request_id: str, prompt: Prompt, deadline: Deadline, events: Events, caller: str = ""
    ) -> Answer:
        """Returns the answer to a prompt: the kept one if the request is a repeated one; see `Router.route`.

        An empty `request_id` makes each request a new one.
        """
        if not request_id:
            return await self._router.route(prompt, deadline, events, caller)
        name = f"{caller}\0{request_id}\0".encode()
        key = hashlib.sha256(name + prompt.SerializeToString(deterministic=True)).digest()
        running = self._running.setdefault(key, asyncio.Lock())
        async with self._turn(running, deadline):
            return await self._route_once(key, prompt, deadline, events, caller)

    @asynccontextmanager
    async def _turn(self, running: asyncio.Lock, deadline: Deadline) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(deadline.remaining()):
                await running.acquire()
        except TimeoutError:
            message = "the same request came before and was still running at the deadline; send it again"
            raise deadline_exceeded(message) from None
        try:
            yield
        finally:
            running.release()

    async def _route_once(self, key: bytes, prompt: Prompt, deadline: Deadline, events: Events, caller: str) -> Answer:
        self._forget()
        if key in self._kept:
            answer = Answer.FromString(self._kept[key][1])
            answer.replayed = True
            events.started(answer.route_id, Policy(), answer.candidates)
            events.chunk(answer.text, calls=answer.tool_calls)
            return answer
        answer = await self._router.route(prompt, deadline, events, caller)
        self._keep(key, answer.SerializeToString())
        return answer

    def _keep(self, key: bytes, answer: bytes) -> None:
        self._kept[key] = (self._clock() + self._seconds, answer)
        self._bytes += len(answer)
        self._forget()

    def _forget(self) -> None:
        """Forgets the oldest answers, as long as their time is over or all have too many bytes."""
        while self._kept:
            key, (until, answer) = next(iter(self._kept.items()))
            if until > self._clock() and self._bytes <= self._most_bytes:
                return
            del self._kept[key]
            self._bytes -= len(answer)
