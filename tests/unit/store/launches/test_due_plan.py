"""Plans for a task's due times, by policy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from taskadmin.models import MissedRuns
from taskadmin.schedules import Schedule, ScheduleKind
from taskadmin.store.launches.due import MAX_MISSED, PER_TASK, DuePlan, MissedDueTimes, plan

NOW = datetime(2026, 5, 1, 12, 0, 30, tzinfo=UTC)
MINUTELY = Schedule(kind=ScheduleKind.INTERVAL, every_seconds=60)


def minutes(*before_noon: int) -> list[datetime]:
    return [NOW.replace(second=0) - timedelta(minutes=number) for number in before_noon]


def gap(first: int, last: int, number: int) -> MissedDueTimes:
    """A period, in minutes before noon."""
    return MissedDueTimes(minutes(first)[0], minutes(last)[0], number)


def planned(
    next_due: datetime,
    *,
    since: datetime,
    policy: MissedRuns = MissedRuns.ONCE,
    grace: int = 60,
    schedule: Schedule = MINUTELY,
) -> DuePlan:
    return plan(
        schedule,
        next_due,
        moment=NOW,
        since=since,
        missed_runs=policy,
        grace=timedelta(seconds=grace),
        slot_interval_seconds=300,
    )


@pytest.mark.parametrize("policy", MissedRuns)
def test_while_launchers_run_nothing_is_missed(policy: MissedRuns) -> None:
    """Even if a launcher is late, each due time gets a run."""
    made = planned(*minutes(10), since=NOW - timedelta(hours=1), policy=policy)
    assert made.due == minutes(10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
    assert (made.gap, made.late_before) == (None, None)
    assert made.next_due == NOW.replace(second=0) + timedelta(minutes=1)


@pytest.mark.parametrize("policy", MissedRuns)
def test_runs_late_within_the_grace_period_are_not_missed(policy: MissedRuns) -> None:
    """A restarted launcher makes up for it under any policy."""
    made = planned(*minutes(1), since=NOW, policy=policy, grace=90)
    assert made.due == minutes(1, 0)
    assert made.gap is None


def test_missed_ones_are_skipped_in_one_row() -> None:
    """It has first, last and count; due times within the grace period run."""
    made = planned(*minutes(10), since=NOW, policy=MissedRuns.SKIP)
    assert made.gap == gap(10, 1, 10)
    assert made.due == minutes(0)


def test_the_newest_missed_one_runs_late() -> None:
    """Older ones share a row, if there are any."""
    made = planned(*minutes(10), since=NOW, policy=MissedRuns.ONCE)
    assert made.gap == gap(10, 2, 9)
    assert made.due == minutes(1, 0)
    assert made.late_before is not None
    assert minutes(1)[0] < made.late_before <= minutes(0)[0]
    alone = planned(*minutes(1), since=NOW, policy=MissedRuns.ONCE, grace=30)
    assert (alone.gap, alone.due) == (None, minutes(1, 0))


def test_each_missed_one_runs_late_a_hundred_at_a_time() -> None:
    """The next transaction continues."""
    made = planned(*minutes(250), since=NOW, policy=MissedRuns.ALL)
    assert made.due == minutes(*range(250, 250 - PER_TASK, -1))
    assert made.gap is None
    assert made.next_due == minutes(250 - PER_TASK)[0]


def test_a_gap_of_years_is_counted_up_to_a_bound() -> None:
    """Quickly for intervals and cron."""
    for schedule in (MINUTELY, Schedule(kind=ScheduleKind.CRON, cron="* * * * *")):
        made = planned(*minutes(525_600), since=NOW, policy=MissedRuns.SKIP, schedule=schedule)
        assert made.gap == gap(525_600, 1, MAX_MISSED)
        assert made.due == minutes(0)


def test_part_of_a_gap_may_have_been_watched() -> None:
    """Only due times before the launchers' return are missed."""
    made = planned(*minutes(10), since=NOW - timedelta(minutes=5), policy=MissedRuns.SKIP)
    assert made.gap == gap(10, 5, 6)
    assert made.due == minutes(4, 3, 2, 1, 0)


def test_a_single_due_time_that_was_missed() -> None:
    """It is skipped or runs late, and is the last one."""
    at = NOW - timedelta(hours=2)
    once = Schedule(kind=ScheduleKind.ONCE, once_at=at)
    skipped = planned(at, since=NOW, policy=MissedRuns.SKIP, schedule=once)
    assert (skipped.gap, skipped.due, skipped.next_due) == (MissedDueTimes(at, at, 1), [], None)
    late = planned(at, since=NOW, policy=MissedRuns.ONCE, schedule=once)
    assert (late.gap, late.due, late.next_due) == (None, [at], None)


def test_after_the_end_nothing_is_due() -> None:
    """The last due time before the end still runs."""
    ends = Schedule(kind=ScheduleKind.INTERVAL, every_seconds=60, ends_at=minutes(1)[0])
    made = planned(*minutes(2), since=NOW - timedelta(hours=1), schedule=ends)
    assert (made.due, made.next_due) == (minutes(2, 1), None)
