"""The Candidate resources of a namespace through the Kubernetes API.

Uses kubernetes_asyncio for configuration, authentication, TLS and the requests. Its Watch is not used: it fails at an
event of more than 128 KiB, continues after a failure without a pause, and hides that the version to continue from has
expired. Replies are read here and not by its CustomObjectsApi, which would parse a whole list on the event loop,
without a bound. The blocking client is no choice: a shutdown cannot wake its thread, while a task here is cancelled.

The package takes 48 MB on disk, and its import 40 MB of memory and 0.4 s. It stays, because kubeconfig files with
their plugins, OpenID Connect and renewed tokens would be a thousand lines here. Only what uses a cluster imports it.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import aiohttp
from kubernetes_asyncio import client, config
from kubernetes_asyncio.config import kube_config
from yaml import YAMLError

from lightrouter.pool.resource import GROUP, KIND, PLURAL, VERSION, Object, name_of, version_of
from lightrouter.pool.store import ClusterError, MalformedError, NoClusterError
from lightrouter.runtime.text import one_line

_NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_APPLY_PATCH: Final = "application/apply-patch+yaml"
# etcd stores at most 1.5 MiB for an object (its --max-request-bytes); the API adds fields to it.
_MAX_EVENT_BYTES: Final = 4 * 1024 * 1024
_MAX_LIST_BYTES: Final = 64 * 1024 * 1024
_MAX_ERROR_BYTES: Final = 1024 * 1024
# The library does not check what a kubeconfig holds.
_MALFORMED: Final = (AssertionError, AttributeError, LookupError, TypeError, ValueError)


def own_namespace(file: Path = _NAMESPACE_FILE) -> str | None:
    """Returns the namespace of this pod; None outside a cluster."""
    try:
        return file.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that can be called.

    Attributes:
        client: Its client, which the caller closes.
        name: The context that names it, for people.
        namespace: The namespace that the context or this pod is in.
    """

    client: client.ApiClient
    name: str
    namespace: str


async def connect(kubeconfig: Path | None = None, context: str = "") -> Cluster:
    """Returns the cluster of a context; by default that of this pod, or else the one that KUBECONFIG names.

    Raises:
        NoClusterError: There is no access to a cluster.
    """
    in_pod = os.environ.get("KUBERNETES_SERVICE_HOST") and not (kubeconfig or context)
    if not in_pod and (missing := _missing(kubeconfig)):
        raise NoClusterError(
            "neither a service account nor a kubeconfig gives access to a cluster; there is no file "
            f"{missing}: name one with KUBECONFIG"
        )
    configuration = client.Configuration()
    file = str(kubeconfig) if kubeconfig else None
    try:
        if in_pod:
            config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]  # it has no types
            return Cluster(client.ApiClient(configuration), "of this pod", own_namespace() or "default")
        await config.load_kube_config(file, context or None, configuration)
        contexts, current = config.list_kube_config_contexts(file)
        chosen = next((each for each in contexts if each["name"] == context), current) or {}
        namespace = chosen.get("context", {}).get("namespace") or "default"
        return Cluster(client.ApiClient(configuration), str(chosen.get("name", "")), namespace)
    except (config.ConfigException, YAMLError, OSError, *_MALFORMED) as error:
        what = "is no kubeconfig" if isinstance(error, (YAMLError, *_MALFORMED)) else "gives no access to a cluster"
        reason = one_line(str(error)) or type(error).__name__
        raise NoClusterError(f"{file or 'the kubeconfig'} {what}: {reason}") from None


def _missing(kubeconfig: Path | None) -> str:
    """Returns the kubeconfig that is to be read and is not there; empty if it is. KUBECONFIG may name several."""
    usual = kube_config.KUBE_CONFIG_DEFAULT_LOCATION
    files = [kubeconfig] if kubeconfig else [Path(each) for each in usual.split(os.pathsep)]
    return "" if any(each.expanduser().exists() for each in files) else str(kubeconfig or usual)


class ClusterApi:
    """The Candidate resources of one namespace. Each method raises ClusterError if the request fails."""

    def __init__(
        self,
        api: client.ApiClient,
        namespace: str,
        selector: str = "",
        watch_seconds: float = 30.0,
        request_seconds: float = 10.0,
    ) -> None:
        """Reads the resources of `namespace`. The defaults are choices.

        Args:
            api: The client.
            namespace: The namespace.
            selector: A label selector of the resources to read; empty: all.
            watch_seconds: Seconds after which a watch ends, so that a dead connection is noticed.
            request_seconds: Seconds that the API has to answer.
        """
        objects = client.CustomObjectsApi(api)
        where = (GROUP, VERSION, namespace, PLURAL)
        chosen: dict[str, Any] = {"label_selector": selector} if selector else {}
        self._list: Callable[..., Any] = partial(objects.list_namespaced_custom_object, *where, **chosen)
        self._patch_status = partial(objects.patch_namespaced_custom_object_status, *where)
        self._watch_seconds = watch_seconds
        self._request_seconds = request_seconds

    async def list(self) -> Object:
        """Returns the list with its items and its resourceVersion."""
        async with self._reply(self._list) as response:
            found = await _object(response, _MAX_LIST_BYTES)
        if not isinstance(found.get("items"), list) or not version_of(found):
            raise MalformedError("the API sent a list without items or without a version")
        return found

    async def watch(self, version: str) -> AsyncGenerator[tuple[str, Object], None]:
        """Yields the events since `version`: ADDED, MODIFIED, DELETED or BOOKMARK, and the resource.

        Yields ("", {}) first, when the API has accepted the watch. Ends when the API ends it, which is no error.
        """
        watch = partial(
            self._list,
            watch="true",
            allow_watch_bookmarks="true",
            resource_version=version,
            timeout_seconds=max(1, round(self._watch_seconds)),
        )
        # The API ends the watch first, by timeout_seconds; if it does not, the connection is dead.
        async with self._reply(watch, more_seconds=self._watch_seconds) as response:
            yield "", {}
            async for line in _lines(response):
                yield await asyncio.to_thread(_event, line)

    async def apply_status(self, name: str, manager: str, status: Object, version: str = "") -> str:
        """Applies `status` on the server: afterwards the field manager owns these fields of the status and no others.

        Fields of other managers stay, but those in `status` go over to this one.

        Args:
            name: The resource's name.
            manager: The field manager.
            status: All fields that the manager owns.
            version: The resourceVersion that the resource must have, else the request fails with 409; empty: any.

        Returns:
            The resource's new resourceVersion.
        """
        metadata = {"name": name} | ({"resourceVersion": version} if version else {})
        body = {"apiVersion": f"{GROUP}/{VERSION}", "kind": KIND, "metadata": metadata, "status": status}
        patch = partial(self._patch_status, name, body, field_manager=manager, force="true", _content_type=_APPLY_PATCH)
        async with self._reply(patch) as response:
            return version_of(await _object(response, _MAX_EVENT_BYTES))

    @asynccontextmanager
    async def _reply(
        self, request: Callable[..., Any], more_seconds: float = 0.0
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        seconds = self._request_seconds
        timeout = aiohttp.ClientTimeout(total=seconds + more_seconds, connect=seconds, sock_connect=seconds)
        try:
            async with await request(_preload_content=False, _request_timeout=timeout) as response:
                await _check(response)
                yield response
        except TimeoutError:
            raise ClusterError("the API did not answer in time") from None
        except (aiohttp.ClientError, OSError, config.ConfigException, client.ApiException) as error:
            raise ClusterError(f"the API cannot be used: {str(error) or type(error).__name__}") from None


async def _check(response: aiohttp.ClientResponse) -> None:
    if response.ok:
        return
    said = (await _read(response, _MAX_ERROR_BYTES)).decode("utf-8", "replace")
    with suppress(ValueError, LookupError, TypeError):
        said = str(json.loads(said)["message"])
    raise ClusterError(f"the API says {response.status}: {' '.join(said.split())[:300]}", response.status)


async def _object(response: aiohttp.ClientResponse, most: int) -> dict[str, Any]:
    # In a thread: to parse many bytes takes longer than the 20 ms that an event loop may be blocked.
    return await asyncio.to_thread(_json, await _read(response, most))


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes:
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > most:
            raise MalformedError(f"the API sent more than {most:,} bytes")
    return bytes(data)


async def _lines(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield line
        if len(rest) > _MAX_EVENT_BYTES:
            raise MalformedError("the API sent an event without an end")


def _event(line: bytes) -> tuple[str, Object]:
    event = _json(line)
    kind, resource = event.get("type"), event.get("object")
    if not isinstance(kind, str) or not isinstance(resource, dict):
        raise MalformedError("the API sent an event without type and object")
    if kind == "ERROR":
        code = resource.get("code")
        raise ClusterError(
            f"the API ended the watch: {str(resource.get('message'))[:300]}", code if isinstance(code, int) else 0
        )
    if kind != "BOOKMARK" and not name_of(resource):
        raise MalformedError("the API sent a resource without a name")
    return kind, resource


def _json(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise MalformedError("the API sent no JSON") from None
    if not isinstance(found, dict):
        raise MalformedError("the API sent no object")
    return found
