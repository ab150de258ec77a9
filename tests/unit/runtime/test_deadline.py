"""Deadlines and their shares."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.runtime.deadline import Deadline, current_deadline, set_current_deadline


@given(st.floats(min_value=1, max_value=1e6), st.floats(min_value=0, max_value=1))
def test_a_share_never_outlives_the_whole(seconds: float, fraction: float) -> None:
    whole = Deadline.after(seconds)
    assert whole.share(fraction).at <= whole.at + 1e-6


def test_a_share_is_bounded_in_seconds() -> None:
    whole = Deadline.after(1000)
    assert whole.share(0.5, at_most=2).remaining() <= 2
    assert 2 < whole.share(0.5).remaining() <= 500


def test_a_passed_deadline_has_nothing_left() -> None:
    passed = Deadline.after(-1)
    assert passed.expired
    assert passed.remaining() == 0
    assert not Deadline.after(1000).expired


async def test_the_current_deadline_is_the_task_s() -> None:
    deadline = Deadline.after(3)
    with pytest.raises(LookupError):
        current_deadline()
    set_current_deadline(deadline)
    assert current_deadline() == deadline
