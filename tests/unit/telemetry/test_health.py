"""Alive means progress where there is work; ready means nothing is waited for."""

import pytest

from segue.telemetry.health import Health
from segue.testing import ManualClock


class Work:
    """Records that wait, as a test says."""

    def __init__(self, *, waiting: bool) -> None:
        self.waiting = waiting

    def __call__(self) -> bool:
        return self.waiting


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def health(clock: ManualClock) -> Health:
    return Health(clock, stuck_after_s=10)


def test_nothing_assigned_is_alive(health: Health, clock: ManualClock) -> None:
    clock.advance(s=1000)
    assert health.liveness() == (True, [])


def test_no_progress_with_work_waiting_is_not_alive(health: Health, clock: ManualClock) -> None:
    health.watch("plays-0", Work(waiting=True))
    health.watch("plays-1", Work(waiting=False))
    health.liveness()
    clock.advance(ms=9_999)
    assert health.liveness() == (True, [])
    clock.advance(ms=1)
    assert health.liveness() == (False, ["plays-0"])


def test_progress_keeps_alive(health: Health, clock: ManualClock) -> None:
    health.watch("plays-0", Work(waiting=True))
    for _ in range(5):
        clock.advance(s=9)
        health.beat("plays-0")
        assert health.liveness() == (True, [])


def test_idle_time_is_not_held_against_the_first_record_after_it(
    health: Health, clock: ManualClock
) -> None:
    work = Work(waiting=False)
    health.watch("plays-0", work)
    clock.advance(s=3600)
    health.liveness()
    work.waiting = True
    assert health.liveness() == (True, [])
    clock.advance(s=10)
    assert health.liveness() == (False, ["plays-0"])


def test_stuck_component_that_moves_is_alive_again(health: Health, clock: ManualClock) -> None:
    health.watch("plays-0", Work(waiting=True))
    health.liveness()
    clock.advance(s=60)
    assert not health.liveness()[0]
    health.beat("plays-0")
    assert health.liveness() == (True, [])


def test_partition_taken_away_is_forgotten(health: Health, clock: ManualClock) -> None:
    health.watch("plays-0", Work(waiting=True))
    health.liveness()
    clock.advance(s=60)
    health.forget("plays-0")
    health.forget("plays-0")
    health.beat("plays-0")
    assert health.liveness() == (True, [])


def test_wall_clock_step_kills_nobody(health: Health, clock: ManualClock) -> None:
    health.watch("plays-0", Work(waiting=True))
    health.liveness()
    clock.set_now(clock.now_ms() + 10**9)
    assert health.liveness() == (True, [])


def test_ready_when_every_reason_is_gone(health: Health) -> None:
    assert health.readiness() == (True, [])
    health.not_ready("assigned")
    health.not_ready("redis")
    health.not_ready("assigned")
    assert health.readiness() == (False, ["assigned", "redis"])
    health.ready("assigned")
    assert health.readiness() == (False, ["redis"])
    health.ready("redis")
    health.ready("never said")
    assert health.readiness() == (True, [])


def test_not_ready_is_still_alive(health: Health) -> None:
    health.not_ready("redis")
    assert health.liveness() == (True, [])
