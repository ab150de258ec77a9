"""A namespace of its own on a real cluster, with providers in it, and the chart installed into it."""

from __future__ import annotations

import contextlib
import json
import queue
import re
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from tools.chart_helm import ROOT, helm, kubectl

CHART: Final = ROOT / "helm" / "lightrouter"
INSIDE: Final = Path(__file__).parent / "inside"
NAME: Final = "lightrouter"
"""The release's name, which those of its resources begin with."""
COMPONENT: Final = "app.kubernetes.io/component"
"""The label that names what a pod is part of."""
# Bounds for what hangs, not for what is slow.
_TIMEOUT_S: Final = 600
_TIMEOUT: Final = f"--timeout={_TIMEOUT_S}s"
# What kubectl says while the API server, or the kubelet behind it, is too busy to answer.
_BUSY: Final = re.compile(
    "Unable to connect to the server|TLS handshake timeout|i/o timeout|connection refused|unexpected EOF"
    "|etcdserver: (request timed out|leader changed)|unable to return a response in the time allotted"
    "|currently unable to handle the request|Too Many Requests"
)
# These come to the same if they are run twice; the tests' `exec` reads a file or sends a signal.
_REPEATABLE: Final = frozenset({"annotate", "apply", "auth", "exec", "get", "logs", "patch", "rollout", "wait"})
_REPEATS: Final = 5
_RESTRICTED: Final[dict[str, Any]] = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "runAsGroup": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}
_CONTAINER: Final[dict[str, Any]] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def run(program: Path, *arguments: str, check: bool = True, given: str | None = None, repeats: int = 0) -> str:
    """Runs a program to its end; returns what it printed. Runs it again, `repeats` times at most, if all is too busy.

    Raises:
        AssertionError: It failed, and `check` is on.
    """
    command = [str(program), *arguments]
    ended = _run(command, given)
    while ended.returncode and repeats and _BUSY.search(ended.stderr):
        repeats -= 1
        time.sleep(5)
        ended = _run(command, given)
    if check and ended.returncode:
        said = (ended.stdout + ended.stderr)[-4000:]
        raise AssertionError(f"{' '.join(command)} ended with status {ended.returncode}:\n{said}")
    return ended.stdout + ("" if check else ended.stderr)


def _run(command: Sequence[str], given: str | None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S + 60)


def until(done: Callable[[], bool], what: str, seconds: float = _TIMEOUT_S) -> None:
    """Waits until something holds. What is begun in time may end later: a look takes a slow machine some seconds.

    Raises:
        AssertionError: It does not hold in time; the text is `what`.
    """
    limit = time.monotonic() + seconds
    while (begun := time.monotonic()) and not done():
        assert begun < limit, f"not within {seconds:g} s: {what}"
        time.sleep(0.2)


def candidate(name: str, **values: Any) -> dict[str, Any]:
    """Returns an entry of `candidates` whose provider is the namespace's, with the model `name`."""
    return {"name": name, "baseUrl": "http://provider:8080/v1", "model": name, **values}


def small(*candidates: dict[str, Any], **values: Any) -> dict[str, Any]:
    """Returns values that fit on a small node."""
    return {
        "candidates": list(candidates),
        "workload": {"replicas": 1, "resources": {"requests": {"cpu": "20m", "memory": "96Mi"}}},
        "router": {"resources": {"requests": {"cpu": "20m", "memory": "96Mi"}}, "settings": {"bootTokens": 8}},
        **values,
    }


class Namespace:
    """A namespace in which pods must keep the Pod Security Standard `restricted`."""

    def __init__(self, name: str, image: str, values_folder: Path) -> None:
        """Works in namespace `name`, with `image` for all pods; values are written to `values_folder`."""
        self.name = name
        self.image = image
        self._values = values_folder / "values.yaml"

    def kubectl(self, *arguments: str, check: bool = True, given: str | None = None) -> str:
        """Runs `kubectl ARGUMENT...` here; returns what it printed."""
        repeats = _REPEATS if arguments[0] in _REPEATABLE else 0
        return run(kubectl(), "--namespace", self.name, *arguments, check=check, given=given, repeats=repeats)

    def get(self, *arguments: str) -> Any:
        """Returns what `kubectl get ARGUMENT...` finds, as JSON has it."""
        return json.loads(self.kubectl("get", *arguments, "--output=json"))

    def apply(self, *manifests: dict[str, Any]) -> None:
        """Applies manifests."""
        self.kubectl("apply", "--server-side", "--filename=-", given=yaml.safe_dump_all(manifests))

    def helm(self, *arguments: str, major: int = 4) -> str:
        """Runs `helm ARGUMENT...` here; returns what it printed."""
        return run(helm(major), "--namespace", self.name, *arguments, _TIMEOUT)

    def install(self, values: dict[str, Any], *arguments: str, major: int = 4, chart: Path = CHART) -> None:
        """Installs the chart, or upgrades it, and waits until it is ready."""
        repository, _, tag = self.image.rpartition(":")
        given = {"image": {"repository": repository, "tag": tag, "pullPolicy": "IfNotPresent"}, **values}
        self._values.write_text(yaml.safe_dump(given))
        upgrade = ("upgrade", "--install", NAME, str(chart), "--values", str(self._values))
        try:
            self.helm(*upgrade, "--wait", *arguments, major=major)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.troubles()}") from None

    def test(self, *, major: int = 4) -> None:
        """Runs `helm test`, once the router's Service leads to no pod of an earlier upgrade, with its old settings."""
        until(self._routers_are_new, "old routers are gone")
        try:
            self.helm("test", NAME, major=major)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.kubectl('logs', f'{NAME}-test', check=False)}") from None

    def _routers_are_new(self) -> bool:
        routers = self.get("pods", f"--selector={COMPONENT}=router")["items"]
        slices = self.get("endpointslices", f"--selector=kubernetes.io/service-name={NAME}-router")["items"]
        led_to = {address for each in slices for end in each.get("endpoints") or () for address in end["addresses"]}
        new = {address["ip"] for pod in routers for address in pod["status"].get("podIPs", ())}
        return len(routers) == len(self.pods("router")) and bool(led_to) and led_to <= new

    def troubles(self) -> str:
        """Returns what the cluster says of pods that are not well."""
        return self.kubectl("get", "pods", "--output=wide", check=False) + self.kubectl(
            "get", "events", "--sort-by=.lastTimestamp", check=False
        )

    def pods(self, component: str) -> dict[str, dict[str, Any]]:
        """Returns the pods of a component that are not being deleted, by name."""
        found = self.get("pods", f"--selector={COMPONENT}={component}")["items"]
        return {pod["metadata"]["name"]: pod for pod in found if "deletionTimestamp" not in pod["metadata"]}

    def remount(self, component: str) -> None:
        """Has the kubelet look at the Secrets of a component's pods now, as it else does every minute or two."""
        now = f"looked-at={time.monotonic_ns()}"
        self.kubectl("annotate", "pod", *self.pods(component), now, "--overwrite")

    def provider(self, name: str = "provider", *arguments: str) -> None:
        """Starts a provider; `arguments` are those of inside/upstream.py."""
        self._scripts()
        labels = {"app": name}
        pod = self._pod("upstream.py", *arguments, ports=[8080])
        pod["containers"][0]["readinessProbe"] = {
            "tcpSocket": {"port": 8080},
            "periodSeconds": 1,
            # Connections would be refused while a busy machine takes the provider's address away.
            "timeoutSeconds": 10,
            "failureThreshold": 30,
        }
        spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
        service = {"selector": labels, "ports": [{"port": 8080}]}
        self.apply(
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec},
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": service},
        )
        self.kubectl("rollout", "status", f"deployment/{name}", _TIMEOUT)

    def seen(self, name: str = "provider") -> dict[str, dict[str, int]]:
        """Returns what a provider has seen: calls by client's address, key and model."""
        path = f"/api/v1/namespaces/{self.name}/services/{name}:8080/proxy/seen"
        counts: dict[str, dict[str, int]] = json.loads(self.kubectl("get", "--raw", path))
        return counts

    @contextlib.contextmanager
    def load(self, rate: float, name: str = "load") -> Iterator[Callable[[], dict[str, Any]]]:
        """Puts a constant load on the router from a Job; gives what ends it and returns its report.

        The load goes on until then, however long the machine takes for what happens meanwhile.
        """
        self._scripts()
        address = f"dns:///{NAME}-router-headless:50051"
        pod = self._pod("load.py", address, f"--rate={rate}")
        template = {"metadata": {"labels": {"app": name}}, "spec": pod | {"restartPolicy": "Never"}}
        spec = {"backoffLimit": 0, "template": template}
        self.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec})
        running = ("wait", "--for=jsonpath={.status.ready}=1", f"job/{name}", _TIMEOUT)
        self.kubectl(*running)

        def report() -> dict[str, Any]:
            stop = "import os, signal; os.kill(1, signal.SIGUSR1)"
            self.kubectl("exec", f"job/{name}", "--", "python3", "-c", stop)
            until(lambda: bool(self._ended(name)), f"the end of the job {name}")
            log = self.kubectl("logs", f"job/{name}")
            assert self._ended(name) == "Complete", log
            outcome: dict[str, Any] = json.loads(log.splitlines()[-1])
            return outcome

        try:
            yield report
        finally:
            self.kubectl("delete", "job", name, "--cascade=foreground", "--ignore-not-found")

    def ask(self, *arguments: str, name: str = "ask") -> dict[str, Any]:
        """Asks the router from a pod with `lightrouter ask ARGUMENT... -o json`; returns the answer."""
        address = f"{NAME}-router:50051"
        pod = self._pod("", "ask", *arguments, "-o", "json", f"--address={address}")
        manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": pod}
        self.apply(manifest | {"spec": pod | {"restartPolicy": "Never"}})
        try:
            until(lambda: self._phase(name) in {"Succeeded", "Failed"}, f"the end of the pod {name}")
            log = self.kubectl("logs", name)
            assert self._phase(name) == "Succeeded", log
            answer: dict[str, Any] = json.loads(log[log.index("{") :])
            return answer
        finally:
            self.kubectl("delete", "pod", name, "--now")

    @contextlib.contextmanager
    def forwarded(self) -> Iterator[str]:
        """Gives an address on this machine that leads to the router, also after the way there has broken."""
        ended, given = threading.Event(), queue.SimpleQueue[str]()
        thread = threading.Thread(target=self._forward, args=(ended, given.put))
        thread.start()
        try:
            yield given.get(timeout=_TIMEOUT_S)
        finally:
            ended.set()
            thread.join()

    def _forward(self, ended: threading.Event, ready: Callable[[str], None]) -> None:
        """Runs `kubectl port-forward` again and again, from the same port, until `ended`."""
        port = ""
        while not ended.is_set():
            # A pod that is being deleted has the Service's labels, too.
            pod = next(iter(self.pods("router")), "")
            command = [str(kubectl()), "--namespace", self.name, "port-forward", f"pod/{pod}", f"{port}:50051"]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                if (line := process.stdout.readline()) and not port:
                    address = line.split()[2]
                    port = address.rpartition(":")[2]
                    ready(address)
                while process.poll() is None and not ended.wait(0.2):
                    pass
                process.terminate()

    def _ended(self, job: str) -> str:
        conditions = self.get("job", job).get("status", {}).get("conditions", [])
        ends = [
            each["type"] for each in conditions if each["status"] == "True" and each["type"] in {"Complete", "Failed"}
        ]
        return ends[0] if ends else ""

    def _phase(self, pod: str) -> str:
        return str(self.get("pod", pod)["status"].get("phase", ""))

    def _scripts(self) -> None:
        data = {path.name: path.read_text() for path in INSIDE.glob("*.py")}
        self.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "inside"}, "data": data})

    def _pod(self, script: str, *arguments: str, ports: Sequence[int] = ()) -> dict[str, Any]:
        """Returns the pod that runs a script of `inside` in the image, or the image's own program."""
        container: dict[str, Any] = {
            "name": "main",
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "args": list(arguments),
            "ports": [{"containerPort": port} for port in ports],
            "securityContext": _CONTAINER,
            "volumeMounts": [{"name": "inside", "mountPath": "/inside"}],
        }
        if script:
            container["command"] = ["python3", f"/inside/{script}"]
        return {
            "securityContext": _RESTRICTED,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            "containers": [container],
            "volumes": [{"name": "inside", "configMap": {"name": "inside", "optional": True}}],
        }


@contextlib.contextmanager
def namespace(image: str, values_folder: Path, purpose: str) -> Iterator[Namespace]:
    """Gives a namespace that is gone afterwards, with all that is in it."""
    given = Namespace(f"lightrouter-{purpose}-{uuid.uuid4().hex[:6]}", image, values_folder)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    given.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": given.name, "labels": labels}})
    try:
        yield given
    finally:
        run(kubectl(), "delete", "namespace", given.name, "--wait=false")
