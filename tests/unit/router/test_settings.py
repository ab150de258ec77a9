"""The router's settings: what they give, and one sentence for what is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lightrouter.router.rules import Maxima, Shares
from lightrouter.router.settings import RouterSettings
from lightrouter.runtime.settings import InvalidSettingError, read
from lightrouter.v1.policy_pb2 import (
    AGGREGATOR_STRATEGY_SYNTHESIZE,
    AGGREGATOR_STRATEGY_VOTE,
    HOLD_AUTO,
    SELECTOR_STRATEGY_CONSENSUS,
    SELECTOR_STRATEGY_LLM,
    Policy,
)

REQUIRED = ["--pool", "pool.yaml", "--selector-address", "unix:/s", "--aggregator-address", "host:1"]


def test_the_defaults_are_those_that_the_protos_promise() -> None:
    settings = read(RouterSettings, REQUIRED, {})
    assert settings.pool == Path("pool.yaml")
    assert settings.defaults.policy == Policy(
        boot_tokens=200,
        k=2,
        selector=SELECTOR_STRATEGY_CONSENSUS,
        aggregator=AGGREGATOR_STRATEGY_SYNTHESIZE,
        margin=0.3,
        agreement=0.95,
        quorum=0.75,
        shortlist=0,
        min_gain=0,
        hold=HOLD_AUTO,
        worth_nanousd=10_000_000,
    )
    assert settings.defaults.max_output_tokens == 1024
    assert settings.shares == Shares(boot=0.5, select=0.3, complete=0.7, aggregate=0.9, grace_s=1.0)


def test_flags_and_environment_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTROUTER_ROUTER_AGGREGATOR", "vote")
    flags = [*REQUIRED, "--selector", "llm", "--boot-grace-seconds", "0.5", "--max-cost-nanousd", "9"]
    settings = read(RouterSettings, flags, os.environ)
    assert settings.defaults.policy.selector == SELECTOR_STRATEGY_LLM
    assert settings.defaults.policy.aggregator == AGGREGATOR_STRATEGY_VOTE
    assert settings.defaults.policy.max_cost_nanousd == 9
    assert settings.shares.grace_s == 0.5


@pytest.mark.parametrize(
    ("flags", "worth"),
    [
        ([], 10_000_000),
        (["--worth", "0"], 0),
        (["--worth", "0.000000001"], 1),
        (["--worth", "1000000"], 10**15),
        (["--selector", "learned"], 10_000_000),
        (["--aggregator", "best"], 10_000_000),
        (["--max-cost-nanousd", "9"], 10_000_000),
        (["--worth", "0.02", "-k", "3"], 20_000_000),
        # Who sets something of the boot stage gets one.
        (["--boot-tokens", "200"], None),
        (["-k", "2"], None),
        (["--min-gain", "0"], None),
        (["--shortlist", "3"], None),
        (["--hold", "auto"], None),
        (["--quorum", "0.5"], None),
        (["--margin", "0.3"], None),
        (["--agreement", "1"], None),
        (["--selector", "llm"], None),
        (["--aggregator", "synthesize"], None),
    ],
)
def test_the_worth_is_a_cent_unless_a_boot_stage_is_asked_for(flags: list[str], worth: int | None) -> None:
    policy = read(RouterSettings, [*REQUIRED, *flags], {}).defaults.policy
    assert (policy.worth_nanousd if policy.HasField("worth_nanousd") else None) == worth


def test_maxima_are_none_unless_they_are_set() -> None:
    assert read(RouterSettings, REQUIRED, {}).defaults.maxima == Maxima()
    flags = ["--maximum-cost-nanousd", "9", "--maximum-boot-tokens", "8", "--maximum-k", "7"]
    settings = read(RouterSettings, [*REQUIRED, *flags, "--maximum-output-tokens", "6"], {})
    assert settings.defaults.maxima == Maxima(cost_nanousd=9, boot_tokens=8, k=7, output_tokens=6)


@pytest.mark.parametrize(
    ("flags", "key"),
    [
        ([*REQUIRED, "--selector", "best"], "selector"),
        ([*REQUIRED, "--aggregator", "unspecified"], "aggregator"),
        ([*REQUIRED, "--adapter-address", "dns:///adapter"], "adapter_address"),
        ([*REQUIRED, "--boot-tokens", "0"], "boot_tokens"),
        ([*REQUIRED, "--quorum", "0"], "quorum"),
        ([*REQUIRED, "--boot-share", "2"], "boot_share"),
        ([*REQUIRED, "--worth", "-0.01"], "worth"),
        ([*REQUIRED, "--worth", "nan"], "worth"),
        ([*REQUIRED, "--worth", "1e7"], "worth"),
    ],
)
def test_a_wrong_setting_is_named(flags: list[str], key: str) -> None:
    with pytest.raises(InvalidSettingError, match=f"setting {key} "):
        read(RouterSettings, flags, {})


CLUSTER = ["--pool-source", "kubernetes", *REQUIRED[2:]]
JWT = ["--jwt-jwks-file", "/k", "--jwt-issuer", "i", "--jwt-audience", "a"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (REQUIRED[2:], "--pool is required"),
        ([*CLUSTER, "--pool", "p"], "--pool is not for --pool-source kubernetes"),
        ([*REQUIRED, "--namespace", "n"], "--namespace is not for --pool-source file"),
        ([*REQUIRED, "--judge", "a"], "--judge is not for --pool-source file"),
        ([*REQUIRED, "--jwt-issuer", "i"], "need --jwt-jwks-url or --jwt-jwks-file"),
        ([*REQUIRED, "--jwt-jwks-file", "/k"], "--jwt-issuer and --jwt-audience are required"),
        ([*REQUIRED, *JWT, "--jwt-jwks-url", "https://h/"], "keep one"),
        ([*REQUIRED, *JWT, "--jwt-jwks-ca-file", "/c"], "are for --jwt-jwks-url"),
        ([*REQUIRED, "--allowed-callers", "a"], "--allowed-callers needs --tokens-file"),
        ([*REQUIRED, "--jwt-jwks-url", "http://h/keys"], "jwt_jwks_url"),
        ([*REQUIRED, "--worth", "0.01", "--selector", "llm"], "--worth needs --selector learned"),
    ],
)
def test_settings_that_do_not_go_together_are_named(flags: list[str], said: str) -> None:
    with pytest.raises(InvalidSettingError, match=said) as caught:
        read(RouterSettings, flags, {})
    assert "\n" not in str(caught.value)


def test_a_pool_in_a_cluster_needs_no_file() -> None:
    settings = read(
        RouterSettings, [*CLUSTER, "--namespace", "team", "--candidate-selector", "a=b", "--judge", "j"], {}
    )
    assert (settings.pool, settings.namespace, settings.judge) == (None, "team", "j")
