"""The watch of Candidate resources before a real API server, with the chart's own definition of them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_asyncio import client, utils

from lightrouter.pool.choices import State
from lightrouter.pool.cluster import ClusterApi, connect
from lightrouter.pool.clusterstore import ClusterStore
from lightrouter.pool.resource import GROUP, PLURAL, VERSION
from lightrouter.pool.schema import PublicPool
from tests.cluster.access import service_account_token

DEFINITION = Path(__file__).parents[2] / "helm/lightrouter/crds/candidates.lightrouter.dev.yaml"
PROMISE_S = 10.0
"""A change must have its effect within this time. The promise is 2 s on a machine that is not busy."""


class Namespace:
    """A namespace of its own, watched."""

    def __init__(self, admin: client.ApiClient, api: client.ApiClient, name: str) -> None:
        self.custom = client.CustomObjectsApi(admin)
        self.name = name
        self._changed = asyncio.Event()
        self.resources = ClusterStore(ClusterApi(api, name, watch_seconds=5), self._change, judge="a")

    def _change(self, pool: PublicPool) -> None:
        self._changed.set()

    async def until(self, done: Callable[[PublicPool], bool], seconds: float = PROMISE_S) -> None:
        async with asyncio.timeout(seconds):
            while not done(self.resources.pool):
                await self._changed.wait()
                self._changed.clear()

    async def create(self, name: str, /, **spec: Any) -> None:
        body = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "Candidate",
            "metadata": {"name": name},
            "spec": {"model": "m"} | spec,
        }
        await self.custom.create_namespaced_custom_object(GROUP, VERSION, self.name, PLURAL, body)

    async def patch(self, name: str, *, status: bool = False, **changes: Any) -> None:
        change = (
            self.custom.patch_namespaced_custom_object_status if status else self.custom.patch_namespaced_custom_object
        )
        merge: dict[str, Any] = {"_content_type": "application/merge-patch+json"}
        await change(GROUP, VERSION, self.name, PLURAL, name, {"status" if status else "spec": changes}, **merge)

    async def delete(self, name: str) -> None:
        await self.custom.delete_namespaced_custom_object(GROUP, VERSION, self.name, PLURAL, name)

    async def ready(self, name: str, wanted: str) -> str:
        """Waits until the condition Ready has this status; returns its message."""
        async with asyncio.timeout(300):
            while True:
                found: Any = await self.custom.get_namespaced_custom_object(GROUP, VERSION, self.name, PLURAL, name)
                for condition in found.get("status", {}).get("conditions", ()):
                    if condition["type"] == "Ready" and condition["status"] == wanted:
                        return str(condition["message"])
                await asyncio.sleep(0.05)


@pytest.fixture
async def namespace() -> AsyncIterator[Namespace]:
    name = f"candidates-{uuid.uuid4().hex[:8]}"
    async with (await connect()).client as api:
        core = client.CoreV1Api(api)
        await define(api)
        await core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))
        try:
            async with client.ApiClient(await least(api, name)) as router:
                made = Namespace(api, router, name)
                watch = asyncio.create_task(made.resources.watch())
                yield made
                watch.cancel()
                await asyncio.wait((watch,))
        finally:
            await core.delete_namespace(name)


async def least(api: client.ApiClient, namespace: str) -> client.Configuration:
    """Returns the access of a service account that may do what the router must, and no more."""
    core, rbac = client.CoreV1Api(api), client.RbacAuthorizationV1Api(api)
    metadata = client.V1ObjectMeta(name="router")
    rules = [
        client.V1PolicyRule(api_groups=[GROUP], resources=[PLURAL], verbs=["get", "list", "watch"]),
        client.V1PolicyRule(api_groups=[GROUP], resources=[f"{PLURAL}/status"], verbs=["patch"]),
    ]
    await core.create_namespaced_service_account(namespace, client.V1ServiceAccount(metadata=metadata))
    await rbac.create_namespaced_role(namespace, client.V1Role(metadata=metadata, rules=rules))
    binding = client.V1RoleBinding(
        metadata=metadata,
        role_ref=client.V1RoleRef(api_group="rbac.authorization.k8s.io", kind="Role", name="router"),
        subjects=[client.RbacV1Subject(kind="ServiceAccount", name="router", namespace=namespace)],
    )
    await rbac.create_namespaced_role_binding(namespace, binding)
    configuration = client.Configuration(host=api.configuration.host)
    configuration.ssl_ca_cert = api.configuration.ssl_ca_cert
    configuration.api_key["BearerToken"] = "Bearer " + await service_account_token(api, namespace, "router")
    return configuration


async def define(api: client.ApiClient) -> None:
    """Has the API server know Candidate resources, as the chart's definition says."""
    definitions = client.ApiextensionsV1Api(api)
    definition = yaml.safe_load(DEFINITION.read_text(encoding="utf-8"))
    name = definition["metadata"]["name"]
    try:
        await definitions.read_custom_resource_definition(name)
    except client.ApiException as error:
        if error.status != 404:
            raise
        await utils.create_from_dict(api, definition)
    async with asyncio.timeout(300):
        while True:
            found = await definitions.read_custom_resource_definition(name)
            if any(c.type == "Established" and c.status == "True" for c in found.status.conditions or ()):
                return
            await asyncio.sleep(0.1)


async def test_added_changed_judged_broken_and_removed(namespace: Namespace) -> None:
    await namespace.create("a", prices={"input": "0.15"}, baseUrl="http://h/v1", contextWindow=131072)
    await namespace.until(lambda pool: "a" in pool.entries, 300)
    entry = namespace.resources.pool.entries["a"]
    assert (entry.prices.input, entry.context_window, namespace.resources.pool.judge) == (150_000_000, 131072, "a")
    await namespace.ready("a", "True")

    await namespace.patch("a", prior=0.25)
    await namespace.until(lambda pool: pool.entries["a"].prior == 0.25)

    await namespace.patch("a", status=True, state="evicted", score=0.1)
    await namespace.until(lambda pool: pool.entries["a"].state is State.EVICTED)

    # The definition lets this pass; only the router knows which providers there are.
    await namespace.create("b", provider="nobody-s")
    assert "spec.provider: is not a known provider" in await namespace.ready("b", "False")
    assert list(namespace.resources.pool.entries) == ["a"]
    await namespace.patch("b", provider="openai")
    await namespace.until(lambda pool: list(pool.entries) == ["a", "b"])
    await namespace.ready("b", "True")

    await namespace.create("c", name="a")
    assert "an older resource has the name a" in await namespace.ready("c", "False")

    await namespace.delete("b")
    await namespace.until(lambda pool: list(pool.entries) == ["a"])


def has(name: str, pool: PublicPool) -> bool:
    return name in pool.entries


async def test_watches_that_end_in_time_miss_nothing(namespace: Namespace) -> None:
    for number in range(14):
        await namespace.create(f"c{number}")
        # The first one waits for the watch to begin.
        await namespace.until(partial(has, f"c{number}"), PROMISE_S if number else 300)
        await asyncio.sleep(0.5)


@pytest.mark.parametrize(
    "spec",
    [{"prices": {"input": "-1"}}, {"prior": 2}, {"state": "gone"}, {"name": "No.Name"}, {"baseUrl": "http://u:p@h"}],
)
async def test_the_definition_refuses_faults_at_once(namespace: Namespace, spec: dict[str, Any]) -> None:
    with pytest.raises(client.ApiException) as caught:
        await namespace.create("a", **spec)
    assert caught.value.status == 422
