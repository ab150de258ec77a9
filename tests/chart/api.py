"""A Kubernetes API that holds a few resources, for what the chart looks up when it is rendered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from tests.chart.rendered import Manifest, Manifests, render

_CANDIDATES = "/apis/lightrouter.dev/v1alpha1/namespaces/here/candidates"
_NOT_FOUND = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}


def candidate_resource(name: str, release: str = "") -> Manifest:
    """Returns a Candidate of the namespace, one of a release if that is given."""
    owner = {"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": "here"}
    labels = {"app.kubernetes.io/managed-by": "Helm"}
    metadata = {"name": name, "namespace": "here"} | ({"annotations": owner, "labels": labels} if release else {})
    return {
        "apiVersion": "lightrouter.dev/v1alpha1",
        "kind": "Candidate",
        "metadata": metadata,
        "spec": {"model": "m"},
    }


@contextmanager
def api_server(*candidates: Manifest) -> Iterator[str]:
    """Gives the URL of an API that knows the kinds of the chart, and holds these Candidates."""
    answers = _discovery(render()) | {
        _CANDIDATES: {"apiVersion": "lightrouter.dev/v1alpha1", "kind": "CandidateList", "items": list(candidates)},
        "/api/v1/namespaces/here/secrets": {"apiVersion": "v1", "kind": "SecretList", "items": []},
    }
    answers |= {f"{_CANDIDATES}/{each['metadata']['name']}": each for each in candidates}

    class Handler(BaseHTTPRequestHandler):
        """Answers by the path alone."""

        def do_GET(self) -> None:
            found = answers.get(self.path.partition("?")[0])
            body = json.dumps(found or _NOT_FOUND).encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Writes no log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _discovery(manifests: Manifests) -> dict[str, Any]:
    kinds: dict[str, set[str]] = {}
    for manifest in manifests.manifests:
        kinds.setdefault(manifest["apiVersion"], set()).add(manifest["kind"])
    answers: dict[str, Any] = {
        "/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
    }
    groups = []
    for group_version, known in kinds.items():
        group, _, version = group_version.rpartition("/")
        resources = [
            {"name": f"{kind.lower()}s", "singularName": "", "namespaced": True, "kind": kind, "verbs": ["get", "list"]}
            for kind in known
        ]
        path = f"/apis/{group_version}" if group else f"/api/{version}"
        answers[path] = {"kind": "APIResourceList", "groupVersion": group_version, "resources": resources}
        about = {"groupVersion": group_version, "version": version}
        groups += [{"name": group, "versions": [about], "preferredVersion": about}] if group else []
    return answers | {"/apis": {"kind": "APIGroupList", "groups": groups}}
