"""deploy/compose.yaml starts the suite with settings that it takes, and what one looks at it with."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import pytest
import yaml

from lightrouter.adapter.settings import AdapterSettings
from lightrouter.aggregator.settings import AggregatorSettings
from lightrouter.pool import file as pool_file
from lightrouter.router.settings import RouterSettings
from lightrouter.runtime.settings import ServiceSettings, read
from lightrouter.selector.settings import SelectorSettings

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
COMPOSE: Final[dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: Final[dict[str, Any]] = COMPOSE["services"]
SETTINGS: Final[dict[str, type[ServiceSettings]]] = {
    "router": RouterSettings,
    "selector": SelectorSettings,
    "aggregator": AggregatorSettings,
    "adapter": AdapterSettings,
}
OURS: Final = [name for name, service in SERVICES.items() if service.get("command", [""])[0] == "serve"]
POOL: Final = pool_file.load(DEPLOY / "compose-pool.yaml")


def settings(name: str) -> ServiceSettings:
    """Returns what a service itself makes of its environment."""
    environment = SERVICES[name]["environment"]
    with patch.dict(os.environ, environment):
        return read(SETTINGS[SERVICES[name]["command"][1]], [], environment)


def test_it_is_a_compose_file() -> None:
    command = ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(DEPLOY / "compose.yaml")]
    subprocess.run(command, check=True)


@pytest.mark.parametrize("name", OURS)
def test_a_service_takes_its_settings_and_sends_to_the_collector(name: str) -> None:
    taken = settings(name)
    assert taken.otlp_endpoint == "http://collector:4317"
    assert taken.metrics_endpoint == "http://collector:4317"


def test_the_router_finds_its_neighbours() -> None:
    router = settings("router")
    assert isinstance(router, RouterSettings)
    targets = [router.selector_address, router.aggregator_address]
    targets += [router.adapter_address.replace("{name}", name) for name in POOL.entries]
    for target in targets:
        assert target.removeprefix("dns:///").removesuffix(":50051") in SERVICES


def test_every_candidate_has_its_adapter_and_its_model() -> None:
    served = {settings(name).model_dump()["candidate"] for name in OURS if name.startswith("adapter-")}
    assert served == set(POOL.entries)
    for entry in POOL.entries.values():
        assert entry.base_url == "http://ollama:11434/v1"
        assert f"ollama pull {entry.model}" in SERVICES["ollama"]["entrypoint"][-1]


def test_files_and_volumes_are_there_and_ports_are_for_this_machine_alone() -> None:
    for service in SERVICES.values():
        for mount in service.get("volumes", []):
            source = mount.partition(":")[0]
            assert (DEPLOY / source).exists() if source.startswith("./") else source in COMPOSE["volumes"]
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        assert set(service.get("depends_on", [])) <= set(SERVICES)
        assert ":" in service["image"]
        assert not service["image"].endswith(":latest")


def test_prometheus_and_grafana_read_what_others_serve() -> None:
    collector = yaml.safe_load((DEPLOY / "collector/config.yaml").read_text())
    prometheus = yaml.safe_load((DEPLOY / "prometheus/prometheus.yaml").read_text())
    [scrape] = prometheus["scrape_configs"]
    port = collector["exporters"]["prometheus"]["endpoint"].rpartition(":")[2]
    assert scrape["static_configs"] == [{"targets": [f"collector:{port}"]}]
    assert scrape["honor_labels"]
    assert collector["exporters"]["otlp/jaeger"]["endpoint"].partition(":")[0] in SERVICES
    assert all((DEPLOY / "prometheus" / name).is_file() for name in prometheus["rule_files"])
    sources = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/lightrouter.yaml").read_text())
    urls = {source["uid"]: source["url"] for source in sources["datasources"]}
    assert urls == {"prometheus": "http://prometheus:9090", "jaeger": "http://jaeger:16686"}
    [provider] = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/lightrouter.yaml").read_text())["providers"]
    mounted = [mount.split(":")[1] for mount in SERVICES["grafana"]["volumes"]]
    assert provider["options"]["path"] in mounted
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (DEPLOY / "grafana/dashboards" / Path(home).name).is_file()
