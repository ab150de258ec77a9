"""Who may do what: API, keys, TLS, tokens, network."""

from __future__ import annotations

import pytest

from lightrouter.runtime.errors import ServiceError
from lightrouter.runtime.security.auth import Identities
from tests.chart.rendered import COMPONENTS, TLS, candidate, components, egress, ports, render

ISSUED = {"enabled": True, "certManager": {"enabled": True, "issuerRef": {"name": "ca"}}}


def test_only_the_router_may_use_the_api_and_only_for_candidates() -> None:
    manifests = render()
    [role] = manifests.all("Role").values()
    granted = {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
    assert granted == {
        ("candidates", "get"),
        ("candidates", "list"),
        ("candidates", "watch"),
        ("candidates/status", "patch"),
    }
    assert {group for rule in role["rules"] for group in rule["apiGroups"]} == {"lightrouter.dev"}
    [binding] = manifests.all("RoleBinding").values()
    assert [subject["name"] for subject in binding["subjects"]] == ["lightrouter-router"]
    assert not any(account["automountServiceAccountToken"] for account in manifests.all("ServiceAccount").values())
    assert [c for c in COMPONENTS if manifests.pod(c)["automountServiceAccountToken"]] == ["router"]


def test_a_key_is_mounted_or_an_environment_variable() -> None:
    mounted = render(candidates=[candidate(apiKey={"secretName": "s", "key": "k"})])
    secret = mounted.files("adapter-small")["/etc/lightrouter/api-key"]["secret"]
    assert (secret["secretName"], secret["items"]) == ("s", [{"key": "k", "path": "api-key"}])
    assert mounted.pool()["candidates"][0]["api_key_file"] == "/etc/lightrouter/api-key/api-key"
    variable = render(candidates=[candidate(apiKey={"secretName": "s", "mount": False})])
    assert variable.pool()["candidates"][0]["api_key_env"] == "CANDIDATE_API_KEY"
    [found] = [v for v in variable.container("adapter-small")["env"] if v["name"] == "CANDIDATE_API_KEY"]
    assert found["valueFrom"]["secretKeyRef"] == {"name": "s", "key": "api-key"}


@pytest.mark.parametrize("component", COMPONENTS)
def test_tls_covers_everything_but_the_probes(component: str) -> None:
    manifests = render(tls=TLS)
    settings, container = manifests.settings(component), manifests.container(component)
    assert str(settings.tls_cert_file) == "/etc/lightrouter/tls/tls.crt"
    assert str(settings.tls_client_ca_file) == "/etc/lightrouter/tls/ca.crt"
    assert (settings.tls_ca_file is None) == (component == "adapter-small")
    assert settings.health_listen == "[::]:50052"
    assert all(container[f"{probe}Probe"]["grpc"]["port"] == 50052 for probe in ("startup", "readiness", "liveness"))
    assert manifests.files(component)["/etc/lightrouter/tls"]["secret"]["secretName"] == "certificates"
    ingress = manifests.one("NetworkPolicy", component.partition("-")[0])["spec"]["ingress"]
    assert any(ports(rule) == {50052} and "from" not in rule for rule in ingress)
    assert all(port["appProtocol"] == "https" for s in manifests.all("Service").values() for port in s["spec"]["ports"])


def test_services_serve_the_release_s_own_certificates_alone() -> None:
    manifests = render(tls=ISSUED | {"identities": ["spiffe://house/*"]})

    def served(component: str) -> list[str]:
        return manifests.settings(component).tls_allowed_identities.split(",")

    names = {c: f"lightrouter-{c}.here.svc.cluster.local" for c in ("router", "selector", "aggregator")}
    assert served("router") == [""]
    for component in ("selector", "aggregator"):
        assert served(component) == [names["router"], "spiffe://house/*"]
    for name in names.values():
        assert name in served("adapter-small")
    certificates = manifests.all("Certificate")
    for name in served("adapter-small")[:3]:
        assert any(name in certificate["spec"]["dnsNames"] for certificate in certificates.values())


@pytest.mark.parametrize("component", ["selector", "aggregator", "adapter-small"])
@pytest.mark.parametrize("more", [[], ["*.here.svc.cluster.local"], ["*"]])
def test_a_caller_s_certificate_is_refused_if_one_secret_is_for_all_services(component: str, more: list[str]) -> None:
    allowed = Identities(render(tls=TLS | {"identities": more}).settings(component).tls_allowed_identities.split(","))
    own = ["lightrouter-router.here.svc", "lightrouter-selector.here.svc.cluster.local"]
    for name in own:
        allowed.check({"peer_dns": [b"llm.example.com", name.encode()]})
    strangers = ["caller.example.com", "lightrouter-router.there.svc", "x.lightrouter-router.here.svc", "router"]
    strangers += [] if more else ["caller.here.svc.cluster.local", "*.here.svc.cluster.local"]
    for name in [] if more == ["*"] else strangers:
        with pytest.raises(ServiceError):
            allowed.check({"peer_dns": [name.encode()]})
    if more:
        allowed.check({"peer_dns": [b"*.here.svc.cluster.local"]})


def test_selector_and_aggregator_call_the_release_s_adapters_and_those_that_are_named() -> None:
    elsewhere = candidate(name="far", address="dns:///adapter.far:50051")
    manifests = render(candidates=[candidate(), elsewhere], pool={"adapterAddresses": ["dns:///more-{name}:50051"]})
    template = manifests.environment("router")["LIGHTROUTER_ROUTER_ADAPTER_ADDRESS"]
    for component in ("selector", "aggregator"):
        told = manifests.environment(component)[f"LIGHTROUTER_{component.upper()}_ADAPTER_ADDRESS"]
        assert told.split() == [template, "dns:///adapter.far:50051", "dns:///more-{name}:50051"]


def test_client_certificates_can_be_done_without() -> None:
    anyone = render(tls={**TLS, "callerCertificates": False})
    assert anyone.settings("router").tls_client_ca_file is None
    assert anyone.settings("selector").tls_client_ca_file is not None
    assert render(tls={**TLS, "mutual": False}).settings("selector").tls_client_ca_file is None
    assert render(tls={**TLS, "mutual": False}).settings("router").tls_client_ca_file is not None


def test_cert_manager_makes_a_certificate_for_each_service() -> None:
    manifests = render(tls={**ISSUED, "routerDnsNames": ["l.example"]})
    certificates = manifests.all("Certificate")
    assert set(certificates) == {"router", "selector", "aggregator", "adapter"}
    names = certificates["router"]["spec"]["dnsNames"]
    assert {"l.example", "lightrouter-router.here.svc.cluster.local"} <= set(names)
    assert "lightrouter-router-headless.here.svc.cluster.local" in names
    assert "lightrouter-adapter-small.here.svc.cluster.local" in certificates["adapter"]["spec"]["dnsNames"]
    for component in COMPONENTS:
        mounted = manifests.files(component)["/etc/lightrouter/tls"]["secret"]["secretName"]
        assert mounted == certificates[component.partition("-")[0]]["spec"]["secretName"]


def test_callers_are_known_by_tokens_or_jwts() -> None:
    manifests = render(auth={"tokens": {"secretName": "t", "key": "file"}, "allowedCallers": ["a", "b*"]})
    settings = manifests.settings("router").model_dump()
    assert str(settings["tokens_file"]) == "/etc/lightrouter/tokens/file"
    assert settings["allowed_callers"] == "a,b*"
    assert manifests.files("router")["/etc/lightrouter/tokens"]["secret"]["secretName"] == "t"
    assert "/etc/lightrouter/tokens" not in manifests.files("adapter-small")
    jwt = {"issuer": "https://i", "audience": "us", "jwksConfigMap": "keys", "jwksKey": "k.json"}
    given = render(auth={"jwt": jwt})
    settings = given.settings("router").model_dump()
    assert (settings["jwt_issuer"], settings["jwt_audience"]) == ("https://i", "us")
    assert str(settings["jwt_jwks_file"]) == "/etc/lightrouter/jwks/k.json"
    assert given.files("router")["/etc/lightrouter/jwks"]["configMap"]["name"] == "keys"
    by_url = render(auth={"jwt": {"issuer": "https://i", "jwksUrl": "https://i:8443/k"}})
    assert by_url.settings("router").model_dump()["jwt_jwks_url"] == "https://i:8443/k"
    assert any(ports(rule) == {8443} for rule in egress(by_url, "router"))


def test_the_clusters_own_accounts_are_known_by_its_api() -> None:
    manifests = render(auth={"jwt": {"issuer": "https://i", "serviceAccounts": True}}, pool={"source": "file"})
    settings = manifests.settings("router").model_dump()
    assert settings["jwt_jwks_url"] == "https://kubernetes.default.svc/openid/v1/jwks"
    assert str(settings["jwt_jwks_token_file"]) == "/var/run/secrets/kubernetes.io/serviceaccount/token"
    assert manifests.pod("router")["automountServiceAccountToken"] is True
    [volume] = manifests.one("Pod", "test")["spec"]["volumes"]
    assert volume["projected"]["sources"][0]["serviceAccountToken"]["audience"] == "lightrouter"


def test_network_access_between_components() -> None:
    manifests = render()
    expected = {
        "selector": {"router"},
        "aggregator": {"router"},
        "adapter": {"router", "selector", "aggregator"},
    }
    for name, callers in expected.items():
        [rule] = manifests.one("NetworkPolicy", name)["spec"]["ingress"]
        assert components(rule["from"]) == callers
        assert len(rule["from"]) == len(callers)
    [callers_rule] = manifests.one("NetworkPolicy", "router")["spec"]["ingress"]
    assert "from" not in callers_rule
    reach = {
        name: [rule for rule in egress(manifests, name) if 53 not in ports(rule)]
        for name in manifests.all("NetworkPolicy")
    }
    assert [components(rule["to"]) for rule in reach["selector"]] == [{"adapter"}]
    assert [components(rule["to"]) for rule in reach["aggregator"]] == [{"adapter"}]
    assert components(reach["router"][0]["to"]) == {"selector", "aggregator", "adapter"}
    # The API server of a managed cluster often has a public address.
    leaving = {name: [ports(rule) for rule in rules if "0.0.0.0/0" in str(rule)] for name, rules in reach.items()}
    assert leaving == {"router": [{443, 6443}], "selector": [], "aggregator": [], "adapter": [set()]}
    for policy in manifests.all("NetworkPolicy").values():
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]


def test_the_policies_peers_can_be_set() -> None:
    peer = {"ipBlock": {"cidr": "203.0.113.0/24"}}
    manifests = render(
        networkPolicy={
            "callers": [peer], "dns": [peer], "providers": [peer], "adaptersElsewhere": [peer], "otlp": [peer],
            "apiServer": {"cidrs": ["198.51.100.1/32"], "ports": [8443]},
        },
        telemetry={"otlpEndpoint": "https://traces"},
    )  # fmt: skip
    [rule] = manifests.one("NetworkPolicy", "router")["spec"]["ingress"]
    assert peer in rule["from"]
    assert components(rule["from"]) == {"test"}
    by_ports = {tuple(sorted(ports(rule))): rule["to"] for rule in egress(manifests, "router")}
    assert by_ports[(53,)] == [peer]
    assert by_ports[()] == [peer]
    assert by_ports[(443,)] == [peer]
    assert by_ports[(8443,)] == [{"ipBlock": {"cidr": "198.51.100.1/32"}}]
    assert {"to": [peer]} in egress(manifests, "adapter")
    assert not render(networkPolicy={"enabled": False}).all("NetworkPolicy")
