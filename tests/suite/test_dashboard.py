"""Every query of the dashboard and of the alerts is about series that the services really export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import promql_parser
import pytest
import yaml

from lightrouter.adapter import instruments as of_adapter
from lightrouter.router.telemetry import instruments as of_router
from lightrouter.router.telemetry.observers import Outcome
from lightrouter.runtime.enums import label
from lightrouter.runtime.errors import reason_name
from lightrouter.runtime.telemetry import instruments
from lightrouter.runtime.telemetry.instruments import Instrument
from lightrouter.v1.candidate_pb2 import CandidateState
from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.ledger_pb2 import DegradedReason
from lightrouter.v1.router_pb2 import SelectionReason
from tests.suite.otlp import Exported, Received, in_prometheus

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
DASHBOARD: Final[dict[str, Any]] = json.loads((DEPLOY / "grafana/dashboards/lightrouter.json").read_text())
RULES: Final[list[dict[str, Any]]] = yaml.safe_load((DEPLOY / "prometheus/rules.yaml").read_text())["groups"][0][
    "rules"
]
PANELS: Final = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
# What stands for a value that the protos know and that this traffic does not happen to have.
KNOWN: Final = {
    "lightrouter_outcome": {outcome.value for outcome in Outcome},
    "error_type": {*map(reason_name, ErrorReason.values()), ""},
    "lightrouter_reason": {label(DegradedReason, number) for number in DegradedReason.values()},
    "lightrouter_selection_reason": {label(SelectionReason, number) for number in SelectionReason.values()},
    "lightrouter_state": {label(CandidateState, number) for number in CandidateState.values()}
    | {"closed", "open", "half-open"},
    "lightrouter_token_type": {"input", "cached", "output", "reasoning"},
}


def queries() -> list[tuple[str, str]]:
    """Returns every query with its source."""
    found = [(f"panel {panel['title']}", target["expr"]) for panel in PANELS for target in panel["targets"]]
    found += [(f"alert {rule['alert']}", rule["expr"]) for rule in RULES]
    return [(name, expression.replace("$__rate_interval", "5m")) for name, expression in found]


@pytest.fixture(scope="module")
def exported(received: Received) -> Exported:
    return in_prometheus(received.metrics)


def test_every_instrument_is_exported_with_its_sentence_and_attributes(received: Received) -> None:
    modules = (instruments, of_router, of_adapter)
    known = {
        value.name: value for module in modules for value in vars(module).values() if isinstance(value, Instrument)
    }
    found = {
        metric.name: metric
        for request in received.metrics
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert found.keys() == known.keys()
    for name, instrument in known.items():
        metric = found[name]
        assert (metric.unit, metric.description) == (instrument.unit, instrument.description)
        assert bool(instrument.buckets) == (metric.WhichOneof("data") == "histogram")


@pytest.mark.parametrize(("name", "query"), queries(), ids=[name for name, _ in queries()])
def test_a_query_is_about_series_that_are_exported(name: str, query: str, exported: Exported) -> None:
    check(promql_parser.parse(query), exported)


def check(expression: promql_parser.Expr, exported: Exported) -> set[str]:
    """Fails if a series, a label or a label's value is missing; returns the labels that the result may have."""
    match expression:
        case promql_parser.VectorSelector():
            return selected(expression, exported)
        case promql_parser.MatrixSelector():
            return selected(expression.vector_selector, exported)
        case promql_parser.AggregateExpr():
            there = check(expression.expr, exported)
            kept: set[str] = set(expression.modifier.labels) if expression.modifier else set()
            assert kept <= there, f"{kept - there} are no labels of {expression.expr.prettify()}"
            return kept
        case promql_parser.BinaryExpr():
            left, right = check(expression.lhs, exported), check(expression.rhs, exported)
            matching = expression.modifier.matching if expression.modifier else None
            assert not matching or set(matching.labels) <= left & right
            return left | right
        case promql_parser.Call():
            of_all: set[str] = set().union(*(check(argument, exported) for argument in expression.args))
            assert expression.func.name != "histogram_quantile" or "le" in of_all
            return of_all - {"le"} if expression.func.name == "histogram_quantile" else of_all
        case promql_parser.ParenExpr():
            return check(expression.expr, exported)
        case _:
            assert isinstance(expression, promql_parser.NumberLiteral), f"what is a {type(expression)}?"
            return set()


def selected(selector: promql_parser.VectorSelector, exported: Exported) -> set[str]:
    """Returns the labels of the series that are selected."""
    assert selector.name in exported, f"{selector.name} is not exported"
    there = exported[selector.name]
    for matcher in selector.matchers.matchers:
        assert matcher.name in there, f"{selector.name} has no label {matcher.name}"
        values = KNOWN.get(matcher.name, there[matcher.name])
        assert set(matcher.value.split("|")) <= values, f"{matcher.name} is never {matcher.value}"
    return set(there)


@pytest.mark.parametrize(
    "query", ["lightrouter_tokens", "lightrouter_tokens_total{user='x'}", "sum by (user) (lightrouter_tokens_total)"]
)
def test_a_query_about_anything_else_is_found_out(query: str, exported: Exported) -> None:
    with pytest.raises(AssertionError):
        check(promql_parser.parse(query), exported)


def test_every_name_of_a_legend_or_an_alert_exists(exported: Exported) -> None:
    for panel in PANELS:
        for target in panel["targets"]:
            there = check(promql_parser.parse(target["expr"].replace("$__rate_interval", "5m")), exported)
            named = {part.partition("}}")[0] for part in target["legendFormat"].split("{{")[1:]}
            assert named <= there, panel["title"]
    for rule in RULES:
        there = check(promql_parser.parse(rule["expr"]), exported)
        summary = rule["annotations"]["summary"]
        assert {part.partition(" ")[0] for part in summary.split("$labels.")[1:]} <= there


def test_every_alert_says_what_to_do() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    titles = {panel["title"] for panel in PANELS}
    for rule in RULES:
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        runbook = rule["annotations"]["runbook"]
        assert runbook.endswith(".")
        # A panel that it sends one to is there.
        assert set(runbook.split('"')[1::2]) <= titles


def test_every_panel_says_what_it_shows_and_has_a_place_of_its_own() -> None:
    assert all(panel["description"].endswith(".") for panel in PANELS)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    places: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        taken = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not taken & places
        places |= taken
    assert max(x for x, _ in places) < 24
