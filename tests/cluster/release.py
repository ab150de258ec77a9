"""A namespace of its own on a real cluster, with providers in it, and the chart installed into it."""

from __future__ import annotations

import contextlib
import json
import subprocess
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
_TIMEOUT: Final = "180s"
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


def run(program: Path, *arguments: str, check: bool = True, given: str | None = None, timeout: float = 300) -> str:
    """Runs a program to its end; returns what it printed.

    Raises:
        AssertionError: It failed, and `check` is on.
    """
    command = [str(program), *arguments]
    ended = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=timeout)
    if check and ended.returncode:
        said = (ended.stdout + ended.stderr)[-4000:]
        raise AssertionError(f"{' '.join(command)} ended with status {ended.returncode}:\n{said}")
    return ended.stdout + ("" if check else ended.stderr)


def until(done: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Waits until something holds.

    Raises:
        AssertionError: It does not hold in time; the text is `what`.
    """
    limit = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < limit, f"not within {seconds:g} s: {what}"
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

    def kubectl(self, *arguments: str, check: bool = True, given: str | None = None, timeout: float = 300) -> str:
        """Runs `kubectl ARGUMENT...` here; returns what it printed."""
        return run(kubectl(), "--namespace", self.name, *arguments, check=check, given=given, timeout=timeout)

    def get(self, *arguments: str) -> Any:
        """Returns what `kubectl get ARGUMENT...` finds, as JSON has it."""
        return json.loads(self.kubectl("get", *arguments, "--output=json"))

    def apply(self, *manifests: dict[str, Any]) -> None:
        """Applies manifests."""
        self.kubectl("apply", "--server-side", "--filename=-", given=yaml.safe_dump_all(manifests))

    def helm(self, *arguments: str, major: int = 4, timeout: float = 300) -> str:
        """Runs `helm ARGUMENT...` here; returns what it printed."""
        return run(helm(major), "--namespace", self.name, *arguments, timeout=timeout)

    def install(self, values: dict[str, Any], *arguments: str, major: int = 4, chart: Path = CHART) -> None:
        """Installs the chart, or upgrades it, and waits until it is ready."""
        repository, _, tag = self.image.rpartition(":")
        given = {"image": {"repository": repository, "tag": tag, "pullPolicy": "IfNotPresent"}, **values}
        self._values.write_text(yaml.safe_dump(given))
        upgrade = ("upgrade", "--install", NAME, str(chart), "--values", str(self._values))
        try:
            self.helm(*upgrade, "--wait", f"--timeout={_TIMEOUT}", *arguments, major=major)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.troubles()}") from None

    def test(self, *, major: int = 4) -> None:
        """Runs `helm test`, once no router of an earlier upgrade is left that could answer it by its old settings."""
        until(
            lambda: len(self.get("pods", f"--selector={COMPONENT}=router")["items"]) == len(self.pods("router")),
            "old routers are gone",
            120,
        )
        try:
            self.helm("test", NAME, major=major)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.kubectl('logs', f'{NAME}-test', check=False)}") from None

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
        self.kubectl("rollout", "status", f"deployment/{name}", f"--timeout={_TIMEOUT}")

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
        running = ("wait", "--for=jsonpath={.status.ready}=1", f"job/{name}", f"--timeout={_TIMEOUT}")
        self.kubectl(*running)

        def report() -> dict[str, Any]:
            stop = "import os, signal; os.kill(1, signal.SIGUSR1)"
            self.kubectl("exec", f"job/{name}", "--", "python3", "-c", stop)
            until(lambda: bool(self._ended(name)), f"the end of the job {name}", 180)
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
    def forwarded(self, resource: str = f"service/{NAME}-router", port: int = 50051) -> Iterator[str]:
        """Gives an address on this machine that leads to a port of a resource."""
        command = [str(kubectl()), "--namespace", self.name, "port-forward", resource, f":{port}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                yield process.stdout.readline().split()[2]
            finally:
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
