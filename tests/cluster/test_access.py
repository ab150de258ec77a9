"""Who may do what: pods before the API server, strangers before the router, all with the chart on a real cluster."""

from __future__ import annotations

import base64
import hashlib
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, cast

import grpc
import jwt
import pytest

from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.rpc.status import from_rpc_error
from lightrouter.v1.chat_pb2 import ChatMessage, Role
from lightrouter.v1.router_pb2 import CompleteRequest, Prompt
from lightrouter.v1.router_pb2_grpc import RouterServiceStub
from tests.authority import Authority
from tests.cluster.release import NAME, Namespace, candidate, small, until
from tests.tokens import AUDIENCE, ISSUER, Issuer

pytestmark = pytest.mark.timeout(1800)

ACCOUNTS = ("router", "selector", "aggregator", "adapter")
ROUTER_MAY = {("get", "candidates"), ("list", "candidates"), ("watch", "candidates"), ("patch", "candidates.status")}
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete")
RESOURCES = ("candidates", "candidates.status", "secrets", "configmaps", "pods", "pods.exec", "deployments", "roles")
TOKEN = "a-secret-of-32-characters-or-more"


def may(namespace: Namespace, who: str, verb: str, resource: str) -> bool:
    """Returns whether the API server lets an account do this; a subresource follows a dot."""
    kind, _, subresource = resource.partition(".")
    given = ("auth", "can-i", verb, kind, f"--subresource={subresource}", who)
    return namespace.kubectl(*given, check=False).startswith("yes")


@pytest.mark.parametrize("account", ACCOUNTS)
def test_an_account_may_do_what_it_needs_and_nothing_else(suite: Namespace, account: str) -> None:
    who = f"--as=system:serviceaccount:{suite.name}:{NAME}-{account}"
    expected = ROUTER_MAY if account == "router" else set()
    allowed = {(verb, resource) for verb in VERBS for resource in RESOURCES if may(suite, who, verb, resource)}
    assert allowed == expected
    for scope in ("--namespace=default", "--all-namespaces"):
        answer = suite.kubectl("auth", "can-i", "list", "candidates", who, scope, check=False)
        assert answer.splitlines()[-1] == "no", f"{account} lists candidates with {scope}"


def test_only_the_router_has_a_token_of_the_api(suite: Namespace) -> None:
    for component in ACCOUNTS:
        for name, pod in suite.pods(component).items():
            volumes = pod["spec"].get("volumes", [])
            sources = [source for volume in volumes for source in volume.get("projected", {}).get("sources", [])]
            assert any("serviceAccountToken" in source for source in sources) == (component == "router"), name


def test_the_pods_run_where_restricted_is_enforced(suite: Namespace) -> None:
    pod = {"metadata": {"name": "stranger"}, "spec": {"containers": [{"name": "main", "image": suite.image}]}}
    with pytest.raises(AssertionError, match='violates PodSecurity "restricted'):
        suite.apply({"apiVersion": "v1", "kind": "Pod", **pod})
    for component in ACCOUNTS:
        assert suite.pods(component)


def test_each_component_has_a_network_policy(suite: Namespace) -> None:
    found = suite.get("networkpolicies")["items"]
    labels = {policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"]: policy for policy in found}
    assert set(labels) == set(ACCOUNTS)
    peers = {
        component: {
            peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
            for rule in policy["spec"]["ingress"]
            for peer in rule.get("from", [])
        }
        for component, policy in labels.items()
    }
    assert peers["selector"] == peers["aggregator"] == {"router"}
    assert peers["adapter"] == {"router", "selector", "aggregator"}


class Closed:
    """A release that asks for certificates and tokens, and callers of it."""

    def __init__(self, namespace: Namespace, folder: Path) -> None:
        self.namespace = namespace
        self.authority, self.stranger = Authority(folder, "ours"), Authority(folder, "other")
        self.issuer = Issuer()
        self.values = small(
            candidate("a"),
            tls={"enabled": True, "secretName": "tls"},
            auth={
                "tokens": {"secretName": "tokens"},
                "jwt": {"issuer": ISSUER, "audience": AUDIENCE, "jwksConfigMap": "keys"},
                "allowedCallers": ["web", "somebody"],
            },
            test={"tokenSecretName": "caller"},
        )
        self.values["router"]["rollout"] = {"minReadySeconds": 0}

    def secrets(self) -> None:
        """Writes the Secrets and the ConfigMap that the values name."""
        hashed = {name: hashlib.sha256(f"{TOKEN}-{name}".encode()).hexdigest() for name in ("web", "stranger")}
        lines = "".join(f"{name}: {digest}\n" for name, digest in hashed.items())
        self.certify()
        self.namespace.apply(
            secret("tokens", tokens=lines.encode()),
            secret("caller", token=f"{TOKEN}-web".encode()),
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "keys"},
                "data": {"jwks.json": self.issuer.jwks().decode()},
            },
        )

    def certify(self) -> str:
        """Issues a certificate for all services, as a Secret; returns it as PEM."""
        domain = f"{self.namespace.name}.svc.cluster.local"
        certificate, key = self.authority.issue("all", f"{NAME}-router.{domain}", f"*.{domain}", f"{NAME}-router")
        files = {
            "tls.crt": certificate.read_bytes(),
            "tls.key": key.read_bytes(),
            "ca.crt": self.authority.file.read_bytes(),
        }
        self.namespace.apply(secret("tls", "kubernetes.io/tls", **files))
        return files["tls.crt"].decode().strip()

    def ask(
        self, token: str = f"{TOKEN}-web", caller: Authority | None = None, trusted: Authority | None = None
    ) -> str:
        """Asks the router from outside; raises the domain's error."""
        certificate, key = (caller or self.authority).issue("caller")
        credentials = grpc.ssl_channel_credentials(
            (trusted or self.authority).file.read_bytes(), key.read_bytes(), certificate.read_bytes()
        )
        options = (("grpc.ssl_target_name_override", f"{NAME}-router"),)
        request = CompleteRequest(prompt=Prompt(messages=[ChatMessage(role=Role.ROLE_USER, content="Who am I?")]))
        metadata = (("authorization", f"Bearer {token}"),) if token else ()
        with self.namespace.forwarded() as address, grpc.secure_channel(address, credentials, options) as channel:
            try:
                return RouterServiceStub(channel).Complete(request, timeout=300, metadata=metadata).answer.text
            except grpc.RpcError as error:
                raise from_rpc_error(cast("grpc.aio.AioRpcError", error)) from None

    def refusal(self, **given: Any) -> ServiceError:
        """Returns the error that `ask` gets."""
        with pytest.raises(ServiceError) as caught:
            self.ask(**given)
        return caught.value


def secret(name: str, kind: str = "Opaque", /, **data: bytes) -> dict[str, Any]:
    """Returns a Secret."""
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": kind, "data": encoded}


@pytest.fixture(scope="module")
def closed(
    new_namespace: Callable[[str], AbstractContextManager[Namespace]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Closed]:
    with new_namespace("access") as given:
        release = Closed(given, tmp_path_factory.mktemp("closed"))
        release.secrets()
        given.provider()
        given.install(release.values)
        yield release


def test_known_callers_are_answered(closed: Closed) -> None:
    closed.namespace.test()
    assert closed.ask().endswith("Who am I?")
    assert closed.ask(token=closed.issuer.token()).endswith("Who am I?")


def test_unknown_callers_are_told_why(closed: Closed) -> None:
    for token, said in (
        ("", "bearer token"),
        ("another", "not known"),
        (closed.issuer.token(exp=1), "expired"),
        (closed.issuer.token(aud="another-service"), "audience"),
        (Issuer().token(), ""),
    ):
        error = closed.refusal(token=token)
        assert error.code is Code.UNAUTHENTICATED, error
        assert said in error.message
    for token in (f"{TOKEN}-stranger", closed.issuer.token(sub="somebody-else")):
        assert closed.refusal(token=token).code is Code.PERMISSION_DENIED


def test_certificates_of_another_authority_are_refused(closed: Closed) -> None:
    # A handshake that fails has no status of its own: gRPC says that nobody can be reached.
    assert closed.refusal(caller=closed.stranger).code is Code.UNAVAILABLE
    assert closed.refusal(trusted=closed.stranger).code is Code.UNAVAILABLE


def test_a_rotated_certificate_is_shown_without_a_restart(closed: Closed) -> None:
    before = {name for component in ACCOUNTS for name in closed.namespace.pods(component)}
    new = closed.certify()
    closed.namespace.remount("router")
    router = next(iter(closed.namespace.pods("router")))
    script = "print(open('/etc/lightrouter/tls/tls.crt').read())"

    def mounted() -> bool:
        return closed.namespace.kubectl("exec", router, "--", "python3", "-c", script).strip() == new

    until(mounted, "the kubelet mounts the new certificate")
    with closed.namespace.forwarded() as address:
        host, _, port = address.rpartition(":")
        assert shown(closed, host, int(port)) == new.split("-----END CERTIFICATE-----")[0].strip()
    assert closed.ask().endswith("Who am I?")
    after = {name for component in ACCOUNTS for name in closed.namespace.pods(component)}
    assert after == before


def shown(closed: Closed, host: str, port: int) -> str:
    """Returns the certificate that the router shows, as PEM without its end."""
    certificate, key = closed.authority.issue("caller")
    context = ssl.create_default_context(cafile=str(closed.authority.file))
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection((host, port), timeout=300) as connection,
        context.wrap_socket(connection, server_hostname=f"{NAME}-router") as talking,
    ):
        found = talking.getpeercert(binary_form=True)
    assert found
    return ssl.DER_cert_to_PEM_cert(found).split("-----END CERTIFICATE-----")[0].strip()


def test_tokens_of_service_accounts_are_known(closed: Closed) -> None:
    given = closed.namespace
    given.kubectl("create", "serviceaccount", "web")
    token = given.kubectl("create", "token", "web", f"--audience={AUDIENCE}").strip()
    issuer = jwt.decode(token, options={"verify_signature": False})["iss"]
    subjects = [f"system:serviceaccount:{given.name}:{name}" for name in ("web", f"{NAME}-test")]
    tokens_and_accounts = {
        "jwt": {"issuer": issuer, "audience": AUDIENCE, "serviceAccounts": True},
        "allowedCallers": subjects,
    }
    given.install(closed.values | {"auth": tokens_and_accounts, "test": {}})
    given.test()
    assert closed.ask(token=token).endswith("Who am I?")
    other = given.kubectl("create", "token", "web", "--audience=another-service").strip()
    assert closed.refusal(token=other).code is Code.UNAUTHENTICATED
    stranger = given.kubectl("create", "token", "default", f"--audience={AUDIENCE}").strip()
    assert closed.refusal(token=stranger).code is Code.PERMISSION_DENIED
