"""Finished runs per minute: counted once by the launcher, read by pages."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import case, delete, func, literal_column, select, update
from sqlalchemy.orm import Session

from ...models import LedgerState, MinuteCount, RunState, TaskResult
from ..database.clock import hour_of, minute_of, now
from ..database.dialect import insert_with_conflicts
from ..database.transaction import end_reading, ledger_transaction
from . import run_totals
from .run_totals import Key, Totals

#: How long counts are kept, and how far back the first count goes.
COUNT_RETENTION = timedelta(days=8)
#: A minute is counted this long after its end: its runs have been committed by then.
SETTLED_AFTER = timedelta(seconds=15)
#: Recounted each time, for runs that were committed even later.
RECOUNTED = timedelta(minutes=3)
#: Maximum span counted in one transaction by default.
MAX_SPAN_PER_TRANSACTION = timedelta(days=1)
#: Maximum span that pages count themselves if no launcher did.
MAX_LIVE_SPAN = timedelta(hours=2)
#: Counts that took longer than ``_QUICK_SECONDS`` seconds are cached for 20 times their duration.
_QUICK_SECONDS, _CACHE_FACTOR = 0.1, 20
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_FINISHED_STATES = (RunState.SUCCEEDED, RunState.FAILED, RunState.SKIPPED, RunState.CANCELLED)


def are_uncounted(session: Session) -> bool:
    """Whether there are settled minutes that aren't counted."""
    settled, counted = _floor(now(session) - SETTLED_AFTER), _counted_upto(session)
    end_reading(session)
    return counted is None or counted < settled


def count_minutes(session: Session, *, at_once: timedelta = MAX_SPAN_PER_TRANSACTION) -> bool:
    """Count the runs of settled minutes; return whether there are more to count.

    Two launchers that count at once store the same, one after the other. Only the last minutes are
    recounted, and a count never decreases: results are pruned and deleted, counts stay.

    Args:
        at_once: Maximum span for one transaction; longer than what is recounted.
    """
    moment = now(session)
    settled = _floor(moment - SETTLED_AFTER)
    counted = _counted_upto(session)
    begin = (
        settled - COUNT_RETENTION
        if counted is None
        else max(counted - RECOUNTED, settled - COUNT_RETENTION)
    )
    end = min(settled, _floor(begin + at_once))
    if counted is not None and settled <= counted:
        end_reading(session)
        return False
    found = run_totals.count_finished(session, begin, end)
    end_reading(session)  # so that the counting statement holds no transaction open
    with ledger_transaction(session):
        state = select(LedgerState.counted_upto).where(LedgerState.id == 1).with_for_update()
        if session.execute(state).scalar_one() != counted:
            return True  # another launcher has counted in the meantime
        session.execute(
            delete(MinuteCount).where(MinuteCount.minute < settled - COUNT_RETENTION),
            execution_options={"synchronize_session": False},
        )
        if found:
            session.execute(_upsert(session), _per_minute(found))
            run_totals.store_totals(session, found, final_before=end - RECOUNTED)
        session.execute(
            update(LedgerState).where(LedgerState.id == 1).values(counted_upto=end),
            execution_options={"synchronize_session": False},
        )
    return end < settled


def _per_minute(found: Mapping[Key, Totals]) -> list[dict[str, Any]]:
    counts: dict[datetime, dict[str, Any]] = {}
    for key, totals in found.items():
        row = counts.setdefault(key.minute, Count(key.minute, 0, 0, 0, 0)._asdict())
        row[key.state.value] += totals.runs
    return list(counts.values())


def _upsert(session: Session) -> Any:
    statement = insert_with_conflicts(session, MinuteCount)
    larger = func.max if session.get_bind().dialect.name == "sqlite" else func.greatest
    return statement.on_conflict_do_update(
        index_elements=[MinuteCount.minute],
        set_={
            state.value: larger(
                getattr(MinuteCount, state.value), getattr(statement.excluded, state.value)
            )
            for state in _FINISHED_STATES
        },
    )


class Count(NamedTuple):
    """Runs that finished in one minute."""

    minute: datetime
    succeeded: int
    failed: int
    skipped: int
    cancelled: int


class Bucket(NamedTuple):
    """Runs that finished within one bucket, which starts at ``begin``."""

    begin: datetime
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0
    cancelled: int = 0

    @property
    def finished(self) -> int:
        """Number of runs that were executed."""
        return self.succeeded + self.failed


class FinishedHistogram(NamedTuple):
    """Finished runs of a time span, in buckets of equal length, oldest first."""

    buckets: Sequence[Bucket]
    #: Totals of the last 24 hours and of the last hour.
    day: Bucket
    hour: Bucket
    #: Begin and end of the time whose runs aren't counted; None if all are.
    uncounted_from: datetime | None
    uncounted_to: datetime | None


class RecentCounts:
    """Runs of minutes that the launcher hasn't counted yet.

    While a million runs finish, counting them costs as much as executing some thousands. A slow
    count is therefore cached for some multiple of its duration, for the whole process.
    """

    def __init__(self) -> None:
        """Start with an empty cache."""
        self._cached: tuple[float, datetime, list[Count]] | None = None

    def since(self, session: Session, begin: datetime) -> list[Count]:
        """Return the runs that finished since the start of a minute, possibly from the cache."""
        if self._cached is not None:
            until, first, rows = self._cached
            if time.monotonic() < until and first <= begin:
                return [row for row in rows if row.minute >= begin]
        begun = time.monotonic()
        rows = _by_minute(session, begin)
        spent = time.monotonic() - begun
        is_slow = spent > _QUICK_SECONDS
        self._cached = (begun + _CACHE_FACTOR * spent, begin, rows) if is_slow else None
        return rows


def finished_runs(
    session: Session, *, moment: datetime, span: timedelta, bucket: timedelta, recent: RecentCounts
) -> FinishedHistogram:
    """Count finished runs up to and including the bucket of *moment*; three queries.

    Args:
        moment: The database's time.
        bucket: A whole number of minutes; of hours for spans longer than a day.
        recent: This process's cache.
    """
    last = _floor(moment, bucket)
    first = last - span + bucket
    day_ago, hour_ago = _floor(moment - _DAY), _floor(moment - _HOUR)
    counted = _counted_upto(session)
    live_from = (
        _floor(moment) - MAX_LIVE_SPAN
        if counted is None
        else max(counted, _floor(moment) - MAX_LIVE_SPAN)
    )
    rows = [
        *_stored(session, min(first, day_ago), day_ago, live_from),
        *recent.since(session, live_from),
    ]
    sums: dict[datetime, list[int]] = {}
    for row in rows:
        numbers = sums.setdefault(_floor(row.minute, bucket), [0, 0, 0, 0])
        for index, number in enumerate(row[1:]):
            numbers[index] += number
    begins = [first + index * bucket for index in range(span // bucket)]
    gap = counted is not None and counted < live_from
    return FinishedHistogram(
        [Bucket(one, *sums.get(one, (0, 0, 0, 0))) for one in begins],
        _since(rows, day_ago),
        _since(rows, hour_ago),
        counted if gap else None,
        live_from if gap else None,
    )


def total(found: FinishedHistogram) -> Bucket:
    """Return the totals over all buckets."""
    sums = [sum(numbers) for numbers in zip(*(bucket[1:] for bucket in found.buckets), strict=True)]
    return Bucket(found.buckets[0].begin, *sums)


def _since(rows: Sequence[Count], begin: datetime) -> Bucket:
    recent = [row[1:] for row in rows if row.minute >= begin]
    return Bucket(begin, *(sum(numbers) for numbers in zip(*recent, strict=True)))


def _stored(session: Session, since: datetime, by_minute: datetime, until: datetime) -> list[Count]:
    """Read stored counts by hour, and by minute from *by_minute* on."""
    hour = hour_of(MinuteCount.minute)
    counts = (func.sum(getattr(MinuteCount, state.value)) for state in _FINISHED_STATES)
    begin = case((MinuteCount.minute >= by_minute, MinuteCount.minute), else_=hour).label("begin")
    rows = session.execute(
        select(begin, *counts)
        .where(MinuteCount.minute >= since, MinuteCount.minute < until)
        .group_by(literal_column("1"))
    )
    return [Count(*row) for row in rows]


def _by_minute(session: Session, begin: datetime) -> list[Count]:
    minute = minute_of(TaskResult.finished_at)
    rows = session.execute(
        select(
            minute.label("minute"),
            *(
                func.sum(case((TaskResult.state == state, 1), else_=0)).label(state.value)
                for state in _FINISHED_STATES
            ),
        )
        .where(TaskResult.finished_at >= begin)
        .group_by(minute)
    )
    return [Count(*row) for row in rows]


def _counted_upto(session: Session) -> datetime | None:
    return session.execute(
        select(LedgerState.counted_upto).where(LedgerState.id == 1)
    ).scalar_one_or_none()


def _floor(moment: datetime, length: timedelta = _MINUTE) -> datetime:
    """Round down to a minute or another length, counted from 1970."""
    epoch = datetime(1970, 1, 1, tzinfo=moment.tzinfo)
    return epoch + (moment - epoch) // length * length
