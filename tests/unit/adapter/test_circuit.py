"""When the circuit of a failing provider opens, and when it lets a call try again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import product

import pytest

from lightrouter.runtime.circuit import Circuit, Permit, State
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.error_reason_pb2 import ErrorReason


class Timer:
    def __init__(self, call: Callable[[], None]) -> None:
        self.call = call
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Fixture:
    def __init__(self, failures: int = 2, cooldown: float = 10) -> None:
        self.time = 100.0
        self.jitter = 0.0
        self.timers: list[tuple[float, Timer]] = []
        self.changes: list[State] = []
        self.circuit = Circuit(
            failures,
            cooldown,
            clock=lambda: self.time,
            later=self.later,
            on_change=self.changes.append,
            uniform=lambda low, high: self.jitter * low + (1 - self.jitter) * high,
        )

    def later(self, seconds: float, call: Callable[[], None]) -> Timer:
        timer = Timer(call)
        self.timers.append((seconds, timer))
        return timer

    def is_now(self, state: State) -> bool:
        return self.circuit.state is state

    def fail(self, times: int = 1) -> None:
        for _ in range(times):
            self.circuit.record(self.circuit.admit(), False)

    def cool_down(self) -> None:
        seconds, timer = self.timers.pop()
        self.time += seconds
        timer.call()


def refusal(circuit: Circuit) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        circuit.admit()
    return caught.value


def test_opens_after_so_many_failures_in_a_row() -> None:
    fixture = Fixture()
    fixture.fail()
    assert fixture.is_now(State.CLOSED)
    fixture.fail()
    assert fixture.is_now(State.OPEN)
    fixture.time += 0.25
    error = refusal(fixture.circuit)
    assert (error.code, error.reason) == (Code.UNAVAILABLE, ErrorReason.ERROR_REASON_CIRCUIT_OPEN)
    assert error.retry_after == 0.25


def test_a_success_between_failures_keeps_it_closed() -> None:
    fixture = Fixture()
    for succeeded in (False, True, False, None, True, False):
        fixture.circuit.record(fixture.circuit.admit(), succeeded)
    assert fixture.is_now(State.CLOSED)


def test_calls_that_show_nothing_do_not_count() -> None:
    fixture = Fixture()
    fixture.fail()
    for _ in range(5):
        fixture.circuit.record(fixture.circuit.admit(), None)
    assert fixture.is_now(State.CLOSED)
    fixture.fail()
    assert fixture.is_now(State.OPEN)


def test_half_open_lets_one_call_try() -> None:
    fixture = Fixture()
    fixture.fail(2)
    fixture.cool_down()
    assert fixture.is_now(State.HALF_OPEN)
    permit = fixture.circuit.admit()
    assert refusal(fixture.circuit).retry_after == 1
    fixture.circuit.record(permit, True)
    assert fixture.is_now(State.CLOSED)
    assert fixture.changes == [State.OPEN, State.HALF_OPEN, State.CLOSED]


def test_one_failure_opens_it_again_from_half_open() -> None:
    fixture = Fixture()
    fixture.fail(2)
    fixture.cool_down()
    fixture.fail()
    assert fixture.is_now(State.OPEN)
    fixture.cool_down()
    assert fixture.is_now(State.HALF_OPEN)


def test_a_cancelled_try_lets_the_next_one_try() -> None:
    fixture = Fixture()
    fixture.fail(2)
    fixture.cool_down()
    fixture.circuit.record(fixture.circuit.admit(), None)
    fixture.circuit.record(fixture.circuit.admit(), True)
    assert fixture.is_now(State.CLOSED)


def test_calls_from_before_say_nothing_about_now() -> None:
    fixture = Fixture()
    early = fixture.circuit.admit()
    fixture.fail(2)
    fixture.cool_down()
    probe = fixture.circuit.admit()
    fixture.circuit.record(early, False)
    assert fixture.is_now(State.HALF_OPEN)
    fixture.circuit.record(probe, True)
    assert fixture.is_now(State.CLOSED)


def test_close_takes_the_timer_back() -> None:
    fixture = Fixture()
    fixture.fail(2)
    fixture.circuit.close()
    assert fixture.timers[0][1].cancelled


def waits(fixture: Fixture, count: int) -> list[float]:
    found: list[float] = []
    fixture.fail(2)
    for _ in range(count):
        found.append(fixture.timers[-1][0])
        fixture.cool_down()
        fixture.fail()
    return found


def test_the_wait_begins_short_and_doubles_up_to_the_cooldown() -> None:
    assert waits(Fixture(cooldown=10), 7) == [0.5, 1, 2, 4, 8, 10, 10]


def test_the_wait_varies_so_that_candidates_are_not_tried_together() -> None:
    fixture = Fixture(cooldown=10)
    fixture.jitter = 1.0
    assert waits(fixture, 2) == [0.375, 0.75]


def test_a_circuit_that_closed_begins_with_the_short_wait_again() -> None:
    fixture = Fixture(cooldown=10)
    waits(fixture, 3)
    fixture.cool_down()
    fixture.circuit.record(fixture.circuit.admit(), True)
    assert waits(fixture, 2) == [0.5, 1]


def test_an_endless_outage_overflows_nothing() -> None:
    assert waits(Fixture(cooldown=10), 2000)[-1] == 10


@pytest.mark.parametrize("half_open", [False, True])
def test_the_last_resort_passes_and_closes_it_where_it_succeeds(half_open: bool) -> None:
    fixture = Fixture()
    fixture.fail(2)
    if half_open:
        fixture.cool_down()
        fixture.circuit.admit()
    permit = fixture.circuit.admit(last_resort=True)
    fixture.circuit.record(permit, True)
    assert fixture.is_now(State.CLOSED)
    assert all(timer.cancelled for _, timer in fixture.timers)
    fixture.fail()
    assert fixture.is_now(State.CLOSED)


def test_a_last_resort_that_fails_leaves_it_open_no_longer() -> None:
    fixture = Fixture()
    fixture.fail(2)
    for _ in range(3):
        fixture.circuit.record(fixture.circuit.admit(last_resort=True), False)
    assert len(fixture.timers) == 1
    fixture.cool_down()
    assert fixture.is_now(State.HALF_OPEN)


@pytest.mark.parametrize("outcome", [None, False, True])
def test_a_last_resort_beside_a_try_lets_no_second_one_try(outcome: bool | None) -> None:
    fixture = Fixture()
    fixture.fail(2)
    fixture.cool_down()
    first = fixture.circuit.admit()
    fixture.circuit.record(fixture.circuit.admit(last_resort=True), outcome)
    if outcome is None:
        assert fixture.is_now(State.HALF_OPEN)
        refusal(fixture.circuit)
        fixture.circuit.record(first, None)
        assert fixture.circuit.admit()
    else:
        assert fixture.is_now(State.CLOSED if outcome else State.OPEN)


ENDS = {f"{place} ends with {outcome}": (place, outcome) for place in (0, -1) for outcome in (None, False, True)}


@pytest.mark.parametrize("first", ["a call", "a last resort", "the wait ends", *ENDS])
def test_however_calls_overlap_one_tries_at_a_time(first: str) -> None:
    for rest in product(["a call", "a last resort", "the wait ends", *ENDS], repeat=4):
        fixture, running = Fixture(failures=1), list[Permit]()
        fixture.fail()
        fixture.cool_down()
        for step in (first, *rest):
            if step in ENDS and running:
                place, outcome = ENDS[step]
                fixture.circuit.record(running.pop(place), outcome)
            elif step == "the wait ends" and fixture.is_now(State.OPEN):
                fixture.cool_down()
            elif step in {"a call", "a last resort"}:
                with suppress(ServiceError):
                    running.append(fixture.circuit.admit(last_resort=step == "a last resort"))
            # Calls of an earlier state may still run; of the present one, at most one tries.
            assert sum(permit.tries and permit.epoch == len(fixture.changes) for permit in running) <= 1
