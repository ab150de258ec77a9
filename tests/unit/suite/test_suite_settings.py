"""The settings of one process are those of its services, under one prefix."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightrouter.aggregator.settings import AggregatorSettings
from lightrouter.router.settings import RouterSettings
from lightrouter.runtime.settings import AskingSettings, InvalidSettingError, ServiceSettings
from lightrouter.selector.settings import SelectorSettings
from lightrouter.suite.settings import read, whole

POOL = ["--pool", "pool.yaml"]
ELSEWHERE = {"selector_address", "aggregator_address"}
# The router names a strategy in each request, and has another agreement; the aggregator's is `draft_agreement`.
OTHERWISE = {"strategy", "agreement"}


def test_every_setting_of_the_services_is_one() -> None:
    known = whole().model_fields
    assert known.keys() >= RouterSettings.model_fields.keys() - ELSEWHERE
    for service in (SelectorSettings, AggregatorSettings):
        assert known.keys() >= service.model_fields.keys() - AskingSettings.model_fields.keys() - OTHERWISE
    assert not known.keys() & (ELSEWHERE | {"strategy", "candidate"})


@pytest.mark.parametrize("service", [RouterSettings, SelectorSettings, AggregatorSettings])
def test_every_setting_has_the_services_default(service: type[ServiceSettings]) -> None:
    known = whole().model_fields
    # The router's defaults of what all services have are those of a server that callers reach.
    routers = RouterSettings.model_fields if service is not RouterSettings else {}
    for name, field in service.model_fields.items():
        if name in known and name not in {"pool", "adapter_address", *routers}:
            assert known[name].default == field.default, name
            assert known[name].description == field.description, name
    assert known["draft_agreement"].default == AggregatorSettings.model_fields["agreement"].default


def test_each_service_gets_its_part(monkeypatch: pytest.MonkeyPatch) -> None:
    # The variables of the services are not this process's.
    monkeypatch.setenv("LIGHTROUTER_ROUTER_K", "5")
    monkeypatch.setenv("LIGHTROUTER_SELECTOR_JUDGE_ORDERS", "5")
    flags = [*POOL, "-k", "3", "--judge-orders", "4", "--stall-seconds", "7", "--agreement", "0.5"]
    settings = read([*flags, "--draft-agreement", "0.6"], {})
    router, selector, aggregator = settings.router_settings, settings.selector_settings, settings.aggregator_settings
    assert (router.pool, router.k, router.agreement) == (Path("pool.yaml"), 3, 0.5)
    assert router.defaults.policy.k == 3
    assert selector.judge_limits.orders == 4
    assert (aggregator.synthesis_limits.stall_seconds, aggregator.agreement) == (7, 0.6)


def test_the_pool_file_is_for_the_adapters_if_there_are_resources() -> None:
    settings = read([*POOL, "--pool-source", "kubernetes", "--namespace", "team", "--judge", "a"], {})
    router = settings.router_settings
    assert (settings.pool, router.pool) == (Path("pool.yaml"), None)
    assert (router.pool_source, router.namespace, router.judge) == ("kubernetes", "team", "a")


def test_the_environment_has_one_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTROUTER_ALL_POOL", "other.yaml")
    monkeypatch.setenv("LIGHTROUTER_ALL_JUDGE_SECONDS", "9")
    settings = read([], {})
    assert (settings.pool, settings.selector_settings.judge_seconds) == (Path("other.yaml"), 9)


@pytest.mark.parametrize(
    ("flags", "environment", "fault"),
    [
        ([], {}, "setting pool"),
        ([*POOL, "--judge-orders", "1"], {}, "setting judge_orders"),
        (POOL, {"LIGHTROUTER_ALL_JUDGE_ORDER": "2"}, "did you mean LIGHTROUTER_ALL_JUDGE_ORDERS"),
        (["--pool-source", "kubernetes"], {}, "setting pool"),
        ([*POOL, "--namespace", "team"], {}, "--namespace is not for --pool-source file"),
        ([*POOL, "--adapter-address", "a:1"], {}, "must hold {name}"),
        ([*POOL, "--jwt-issuer", "me"], {}, "--jwt-issuer and --jwt-audience need"),
        ([*POOL, "--selector-address", "a:1"], {}, "selector-address"),
    ],
)
def test_a_wrong_setting_is_named(flags: list[str], environment: dict[str, str], fault: str) -> None:
    with pytest.raises(InvalidSettingError, match=fault):
        read(flags, environment)
