"""What a kubeconfig can be, besides right."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightrouter.pool.cluster import connect
from lightrouter.pool.store import NoClusterError

RIGHT = """\
apiVersion: v1
kind: Config
current-context: one
contexts: [{name: one, context: {cluster: c, user: u, namespace: team}}]
clusters: [{name: c, cluster: {server: "https://127.0.0.1:9"}}]
users: [{name: u, user: {token: x}}]
"""
PLUGIN = "apiVersion: client.authentication.k8s.io/v1, command: "


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)


async def test_a_right_one_names_cluster_and_namespace(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(RIGHT)
    found = await connect(path)
    assert (found.name, found.namespace) == ("one", "team")
    await found.client.close()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (RIGHT, "", "is no kubeconfig"),
        (RIGHT, "[1]", "is no kubeconfig"),
        (RIGHT, "hello", "is no kubeconfig"),
        (RIGHT, "a: [", "is no kubeconfig: while parsing"),
        (RIGHT, "\udcff", "is no kubeconfig"),
        ("current-context: one\n", "", "gives no access to a cluster: .*current-context"),
        ("current-context: one", "current-context: two", "gives no access to a cluster: .*name two"),
        ("clusters: [{name: c", "clusters: [{name: d", "gives no access to a cluster: .*name c "),
        ("users: [{name: u", "users: [{name: v", "is no kubeconfig"),
        ('{server: "https://127.0.0.1:9"}', "{}", "is no kubeconfig"),
        ("{server:", "{certificate-authority: /no/ca.crt, server:", "gives no access to a cluster: .*/no/ca.crt"),
        ("{server:", "{certificate-authority-data: eA==, server:", "gives no access to a cluster: "),
        ("{token: x}", "{auth-provider: {name: gcp}}", "is no kubeconfig"),
        ("{token: x}", f"{{exec: {{{PLUGIN}no-such-program}}}}", "gives no access to a cluster: .*no-such-program"),
        ("{token: x}", f"{{exec: {{{PLUGIN}'false'}}}}", "gives no access to a cluster: .*returned 1"),
        ("{token: x}", f"{{exec: {{{PLUGIN}pwd}}}}", "gives no access to a cluster: "),
    ],
)
async def test_a_wrong_one_is_one_sentence(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "config"
    path.write_text(RIGHT.replace(old, new), encoding="utf-8", errors="surrogateescape")
    with pytest.raises(NoClusterError, match=said) as caught:
        await connect(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("named", [True, False])
async def test_one_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool) -> None:
    path = tmp_path / "config"
    monkeypatch.setattr("kubernetes_asyncio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
    with pytest.raises(NoClusterError, match=f"there is no file {path}"):
        await connect(path if named else None)
