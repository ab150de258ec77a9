"""The evaluator's CronJob on a real cluster: its verdicts, its columns, and what its account may not do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from lightrouter.cli.__main__ import run as command
from tests.cluster.release import NAME, Namespace, candidate, small, until

LINES = [
    {"id": f"q{number}", "category": "echo", "prompt": f"word{number}", "task": "pattern", "pattern": f"word{number}$"}
    for number in range(120)
]
ACCOUNT = f"{NAME}-evaluator"


@pytest.fixture(scope="module")
def evaluated(new_namespace: Callable[[str], AbstractContextManager[Namespace]]) -> Iterator[Namespace]:
    """A suite in which one candidate of three does not answer what it is asked, after its first evaluation."""
    with new_namespace("evaluator") as given:
        given.provider("provider", "--silent", "c")
        data = {"validation.jsonl": "\n".join(map(json.dumps, LINES))}
        given.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "validation"}, "data": data})
        resources = {"requests": {"cpu": "20m", "memory": "96Mi"}, "limits": {"memory": "512Mi"}}
        evaluator = {
            "enabled": True,
            "suspend": True,
            "validationSet": {"configMap": "validation"},
            "budget": {"maxSeconds": 120},
            "resources": resources,
        }
        given.install(small(candidate("a"), candidate("b"), candidate("c"), evaluator=evaluator))
        given.kubectl("create", "job", "first", f"--from=cronjob/{ACCOUNT}")
        until(lambda: given.get("job", "first").get("status", {}).get("succeeded") == 1, "the evaluation")
        yield given


def statuses(namespace: Namespace) -> dict[str, dict[str, Any]]:
    return {item["spec"]["name"]: item["status"] for item in namespace.get("candidates")["items"]}


def test_the_verdict_is_the_status_and_a_dashboard(evaluated: Namespace) -> None:
    found = statuses(evaluated)
    assert {name: status["state"] for name, status in found.items()} == {
        "a": "admitted",
        "b": "admitted",
        "c": "evicted",
    }
    assert found["c"]["score"] == 0
    assert found["c"]["scoreHigh"] < found["a"]["scoreLow"]
    assert found["a"]["categories"] == [{"category": "echo", "score": 1, "prompts": found["a"]["evaluatedPrompts"]}]
    conditions = {each["type"]: each for each in found["c"]["conditions"]}
    assert (conditions["Admitted"]["status"], conditions["Admitted"]["reason"]) == ("False", "CrediblyWorse")
    assert conditions["Ready"]["status"] == "True"
    heading, *rows = evaluated.kubectl("get", "candidates").splitlines()
    assert heading.split()[3:9] == ["STATE", "SCORE", "LOW", "HIGH", "PROMPTS", "EVALUATED"]
    assert "CrediblyWorse" in next(row for row in rows if row.startswith(f"{NAME}-c "))


def test_the_router_obeys(evaluated: Namespace) -> None:
    answer = evaluated.ask("Say hello.")
    assert {line["candidate"] for line in answer["ledger"]["entries"]} <= {"a", "b"}


def test_a_person_overrules_it(evaluated: Namespace, capsys: pytest.CaptureFixture[str]) -> None:
    def pool(*arguments: str) -> str:
        assert command(["pool", *arguments, "--namespace", evaluated.name]) == 0
        return capsys.readouterr().out

    assert "CrediblyWorse" in pool("status")
    assert pool("readmit", "c", "--reason", "it is asked again") == "c is admitted\n"
    until(
        lambda: any(line["candidate"] == "c" for line in evaluated.ask("Say hello.")["ledger"]["entries"]),
        "the candidate among those that are asked",
    )
    assert pool("evict", "c") == "c is evicted\n"
    conditions = {each["type"]: each for each in statuses(evaluated)["c"]["conditions"]}
    assert (conditions["Admitted"]["reason"], conditions["Ready"]["status"]) == ("ByHand", "True")


@pytest.mark.parametrize(
    ("verb", "resource", "answer"),
    [
        ("list", "candidates.lightrouter.dev", "yes"),
        ("patch", "candidates.lightrouter.dev/status", "yes"),
        ("patch", "candidates.lightrouter.dev", "no"),
        ("update", "candidates.lightrouter.dev/status", "no"),
        ("delete", "candidates.lightrouter.dev", "no"),
        ("get", "secrets", "no"),
        ("list", "pods", "no"),
    ],
)
def test_its_account_may_write_the_status_and_nothing_else(
    evaluated: Namespace, verb: str, resource: str, answer: str
) -> None:
    kind, _, sub = resource.partition("/")
    asked = ["auth", "can-i", verb, kind, f"--as=system:serviceaccount:{evaluated.name}:{ACCOUNT}"]
    said = evaluated.kubectl(*asked, *([f"--subresource={sub}"] if sub else []), check=False)
    assert said.split()[0] == answer
