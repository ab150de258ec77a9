"""What is held of a candidate, in the one shape that both homes have."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.pool.choices import State
from lightrouter.pool.resource import Resources
from lightrouter.pool.schema import PublicEntry, PublicPool
from lightrouter.pool.status import BY_HAND, DIVERSE, DRIFTED, CandidateStatus, Category, overlaid
from lightrouter.v1.candidate_pb2 import CategoryScore, Evaluation
from tests.unit.pool.status_support import SINCE, condition, held

NOW = datetime(2026, 3, 1, tzinfo=UTC)
FOUND = Evaluation(
    score=0.6,
    score_low=0.5,
    score_high=0.7,
    prompts=90,
    categories=[CategoryScore(category="law", score=0.25, prompts=8)],
    explanation="why",
)
FOUND.evaluated_at.FromDatetime(NOW)
EVICTED = held(
    State.EVICTED,
    "CrediblyWorse",
    "why",
    evaluated_model="m",
    evaluation_run="run-1",
    score=0.6,
    score_low=0.5,
    score_high=0.7,
    evaluated_prompts=90,
    failed_prompts=0,
    last_evaluated=SINCE,
    categories=(Category(category="law", score=0.25, prompts=8),),
)
parse = CandidateStatus.model_validate


def test_a_standing_survives_its_status() -> None:
    assert parse(EVICTED.to_json()) == EVICTED
    assert EVICTED.evaluation == FOUND
    bare = held(State.PROBATION, "Discovered", "new")
    assert parse(bare.to_json()) == bare
    assert bare.to_json().keys() == {"state", "conditions"}


def test_diversity_and_drift_survive_the_status() -> None:
    alike = condition(DIVERSE, False, "Homogeneous", "alike")
    drifted = condition(DRIFTED, True, "OutOfItsHistory", "it fails")
    status = EVICTED.having(alike, drifted)
    assert parse(status.to_json()) == status
    # Evaluated anew it is no longer drifted, whatever was said before.
    evaluated = status.having(status.next_condition(DRIFTED, "False", "Evaluated", "", NOW))
    assert [(each["type"], each["status"]) for each in evaluated.to_json()["conditions"]] == [
        ("Admitted", "False"),
        ("Diverse", "False"),
        ("Drifted", "False"),
    ]


def test_a_condition_begins_when_it_says_the_opposite() -> None:
    first = CandidateStatus().next_condition(DIVERSE, "True", "r", "m", NOW)
    status, later = CandidateStatus().having(first), NOW + timedelta(hours=1)
    same = status.next_condition(DIVERSE, "True", "r", "n", later)
    assert same.last_transition_time == first.last_transition_time
    changed = status.next_condition(DIVERSE, "False", "r", "m", later)
    assert changed.last_transition_time == "2026-03-01T01:00:00Z"


def test_members_that_only_a_router_writes_stay_in_the_resource() -> None:
    ready = condition("Ready", True, "Accepted", "").model_copy(update={"observed_generation": 3})
    other = condition("Theirs", True, "r", "m")
    assert EVICTED.having(ready, other, observed_generation=3).to_json() == EVICTED.to_json()


@pytest.mark.parametrize(
    ("a", "b", "homogeneous"),
    [
        (False, False, True),
        (False, True, False),
        (False, None, False),
        (None, None, False),
    ],
)
def test_a_pool_is_homogeneous_where_that_is_said_of_all_who_are_asked(
    a: bool | None, b: bool | None, homogeneous: bool
) -> None:
    pool = PublicPool({name: PublicEntry(name=name, model="m") for name in ("a", "b", "gone")})
    said = {
        name: EVICTED.having(
            *([] if holds is None else [condition(DIVERSE, holds, "r", "alike", "")]), state=State.ADMITTED
        )
        for name, holds in (("a", a), ("b", b))
    }
    # An evicted candidate does not count.
    assert overlaid(pool, said | {"gone": EVICTED}).homogeneous == ("alike" if homogeneous else "")
    # A candidate that was added later was not compared.
    assert not overlaid(pool, said).homogeneous


def test_a_state_begins_when_it_becomes_another() -> None:
    later = NOW + timedelta(hours=1)
    assert EVICTED.moved(State.EVICTED, "Still", "", later).admitted.last_transition_time == SINCE
    assert EVICTED.moved(State.ADMITTED, "Better", "", later).admitted.last_transition_time == "2026-03-01T01:00:00Z"


def test_an_eviction_by_hand_is_known() -> None:
    assert EVICTED.moved(State.EVICTED, BY_HAND, "no", NOW).held_out
    assert not EVICTED.held_out


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = [field.alias for field in CandidateStatus.model_fields.values() if field.alias]


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, json)))
def test_any_status_says_something_or_nothing(status: dict[str, object]) -> None:
    parsed = parse(status)
    assert parsed.evaluation is None or 0 <= parsed.evaluation.score <= 1
    assert parse(parsed.to_json()).to_json() == parsed.to_json()


def test_the_status_overrides_the_pool() -> None:
    pool = PublicPool({name: PublicEntry(name=name, model="m") for name in ("a", "b")}, judge="a")
    changed = overlaid(pool, {"b": EVICTED, "gone": EVICTED})
    assert [entry.state for entry in changed.entries.values()] == [State.ADMITTED, State.EVICTED]
    assert dict(changed.evaluations) == {"b": FOUND}
    assert changed.judge == "a"


def test_an_entry_with_another_model_is_a_new_candidate() -> None:
    pool = PublicPool({"b": PublicEntry(name="b", model="m2")})
    assert overlaid(pool, {"b": EVICTED}) == pool


@pytest.mark.parametrize(("model", "state"), [("m", State.EVICTED), ("m2", State.ADMITTED)])
def test_a_resource_s_status_lies_over_its_spec(model: str, state: State) -> None:
    resource = {"metadata": {"name": "b"}, "spec": {"model": model}, "status": EVICTED.to_json()}
    pool, _ = Resources().listed([resource]).pool()
    assert pool.entries["b"].state is state
    assert dict(pool.evaluations) == ({"b": FOUND} if model == "m" else {})
