"""A Kubernetes API that knows Candidate resources only, and misbehaves on purpose."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Self

from aiohttp import web
from kubernetes_asyncio import client

from lightrouter.pool.cluster import ClusterApi
from tests.upstreams.apply import ApplyConflictError, Owners, apply, owned_by_update

GROUP_VERSION = "lightrouter.dev/v1alpha1"
PATH = f"/apis/{GROUP_VERSION}/namespaces/team/candidates"
CONDITION = {"type", "status", "reason", "message", "lastTransitionTime"}
"""The fields that the resource definition requires of a condition."""
TIMEOUT_S = 600.0

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def says(status: int, message: str = "no") -> Answer:
    """Returns the answer with this status."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response({"kind": "Status", "code": status, "message": message}, status=status)

    return answer


def sends(*chunks: bytes) -> Answer:
    """Returns the answer of these chunks, after which the connection is cut."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        assert request.transport
        request.transport.abort()
        return response

    return answer


async def hangs(request: web.Request) -> web.StreamResponse:
    """Never answers."""
    await asyncio.Event().wait()
    raise AssertionError


def event(kind: str, resource: dict[str, Any]) -> bytes:
    """Returns an event as it is sent."""
    return json.dumps({"type": kind, "object": resource}).encode() + b"\n"


EXPIRED = event("ERROR", {"kind": "Status", "code": 410, "message": "too old resource version: 1 (2)"})


class Cluster:
    """The API, with resources by name.

    Attributes:
        lists: Answers of the next lists, in place of the right one.
        watches: Answers of the next watches.
        patches: Answers of the next patches.
        asked: The requests so far: "list", "watch" and "patch", and the versions that were watched from.
        owners: Who owns which fields of a resource's status.
    """

    def __init__(self) -> None:
        self.lists: list[Answer] = []
        self.watches: list[Answer] = []
        self.patches: list[Answer] = []
        self.asked: Counter[str] = Counter()
        self.versions: list[str] = []
        self.queries: list[dict[str, str]] = []
        self.tokens: set[str] = set()
        self.resources: dict[str, dict[str, Any]] = {}
        self.owners: dict[str, Owners] = {}
        self._version = 100
        self._events: list[tuple[int, bytes]] = []
        self._changed = asyncio.Condition()
        self._open: set[asyncio.Transport] = set()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get(PATH, self._get)
        app.router.add_patch(PATH + "/{name}/status", self._patch)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await self.start()
        configuration = client.Configuration(host=f"http://127.0.0.1:{self.port}")
        configuration.api_key["BearerToken"] = "Bearer of-the-pod"
        self.client = client.ApiClient(configuration)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()
        await self._runner.cleanup()

    async def start(self, port: int = 0) -> None:
        """Listens, again if it was stopped."""
        self._site = web.TCPSite(self._runner, "127.0.0.1", port)
        await self._site.start()
        self.port: int = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Cuts every connection and listens no more."""
        await self._site.stop()
        self.cut()

    def cut(self) -> None:
        """Cuts every watch."""
        for transport in self._open:
            transport.abort()

    def api(self, selector: str = "", watch_seconds: float = 30.0, request_seconds: float = 10.0) -> ClusterApi:
        """Returns the API as the router uses it."""
        return ClusterApi(self.client, "team", selector, watch_seconds, request_seconds)

    async def put(self, name: str, spec: dict[str, Any] | None = None, **status: Any) -> None:
        """Creates or changes a resource."""
        old = self.resources.get(name)
        spec = {"model": "m"} if spec is None else spec
        before = (old or {}).get("status", {})
        status = before | status
        self.owners[name] = owned_by_update(before, status, self.owners.get(name, {}), "a-person")
        generation = 1 if old is None else old["metadata"]["generation"] + (spec != old["spec"])
        await self._store(
            "MODIFIED" if old else "ADDED",
            {
                "metadata": {
                    "name": name,
                    "generation": generation,
                    "creationTimestamp": old["metadata"]["creationTimestamp"] if old else f"2026-01-01:{self._version}",
                },
                "spec": spec,
                "status": status,
            },
        )

    async def delete(self, name: str) -> None:
        """Removes a resource."""
        self.owners.pop(name, None)
        await self._store("DELETED", self.resources.pop(name))

    async def bookmark(self) -> None:
        """Sends a bookmark."""
        await self._store("BOOKMARK", {"metadata": {}})

    def forget(self) -> None:
        """Loses the past: a watch from any version is too old."""
        self._events.clear()
        self._version += 1000

    async def until(self, done: Callable[[], bool]) -> None:
        """Waits for a request or a change after which `done` holds."""
        async with asyncio.timeout(TIMEOUT_S), self._changed:
            await self._changed.wait_for(done)

    def ready(self, name: str) -> tuple[str, str, str]:
        """Returns the condition Ready of a resource: status, reason and message."""
        return self.condition(name, "Ready")

    def condition(self, name: str, kind: str) -> tuple[str, str, str]:
        """Returns a condition of a resource: status, reason and message; empty if it has none."""
        for condition in self.resources[name]["status"].get("conditions", ()):
            if condition["type"] == kind:
                return condition["status"], condition["reason"], condition["message"]
        return "", "", ""

    async def _store(self, kind: str, resource: dict[str, Any]) -> None:
        async with self._changed:
            self._version += 1
            resource = resource | {"metadata": resource["metadata"] | {"resourceVersion": str(self._version)}}
            if kind in {"ADDED", "MODIFIED"}:
                self.resources[resource["metadata"]["name"]] = resource
            self._events.append((self._version, event(kind, resource)))
            self._changed.notify_all()

    async def _ask(self, what: str, request: web.Request) -> None:
        async with self._changed:
            self.asked[what] += 1
            self.tokens.add(request.headers.get("Authorization", ""))
            self.queries.append(dict(request.query))
            self._changed.notify_all()

    async def _get(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("watch"):
            self.versions.append(request.query["resourceVersion"])
            await self._ask("watch", request)
            return await (self.watches.pop(0) if self.watches else self._watch)(request)
        await self._ask("list", request)
        if self.lists:
            return await self.lists.pop(0)(request)
        return web.json_response(
            {"metadata": {"resourceVersion": str(self._version)}, "items": list(self.resources.values())}
        )

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        transport = request.transport
        assert transport
        self._open.add(transport)
        version = int(request.query["resourceVersion"])
        first = self._events[0][0] if self._events else self._version + 1
        try:
            if version < first - 1:
                await response.write(EXPIRED)
                return response
            async with asyncio.timeout(float(request.query["timeoutSeconds"])):
                while True:
                    async with self._changed:
                        while self._version <= version:
                            await self._changed.wait()
                        news = [data for number, data in self._events if number > version]
                        version = self._version
                    for data in news:
                        await response.write(data)
        except TimeoutError:
            return response
        finally:
            self._open.discard(transport)

    async def _patch(self, request: web.Request) -> web.StreamResponse:
        await self._ask("patch", request)
        if self.patches:
            return await self.patches.pop(0)(request)
        resource = self.resources.get(request.match_info["name"])
        if resource is None:
            return await says(404)(request)
        assert request.content_type == "application/apply-patch+yaml"
        patch, name = json.loads(await request.text()), resource["metadata"]["name"]
        if (patch["apiVersion"], patch["kind"], patch["metadata"]["name"]) != (GROUP_VERSION, "Candidate", name):
            return await says(400, "the object is another one")(request)
        version = resource["metadata"]["resourceVersion"]
        if patch["metadata"].get("resourceVersion", version) != version:
            return await says(409, "the object has been modified")(request)
        manager, force = request.query["fieldManager"], request.query.get("force") == "true"
        try:
            status, owners = apply(resource["status"], self.owners.get(name, {}), manager, patch["status"], force=force)
        except ApplyConflictError:
            return await says(409, "another manager owns a field")(request)
        if any(not condition.keys() >= CONDITION for condition in status.get("conditions", ())):
            return await says(422, "a condition lacks a field")(request)
        self.owners[name] = owners
        # An apply that changes nothing makes no new version.
        if status != resource["status"]:
            await self._store("MODIFIED", resource | {"status": status})
        return web.json_response(self.resources[name])
