"""Runs by the minute in which they finished: counted once by the launcher, read by the pages."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import case, delete, func, literal_column, select, update
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement

from ..models import LedgerState, MinuteCount, RunState, TaskResult, UtcDateTime
from .clock import now
from .dialect import insert_with_conflicts
from .transaction import end_reading, ledger_transaction

#: How long counts are kept, and how far back the first counting goes.
KEPT = timedelta(days=8)
#: What is over for so long is counted: whoever finished in it has committed by then.
SETTLED = timedelta(seconds=15)
#: Counted anew each time, for those that committed even later.
AGAIN = timedelta(minutes=3)
#: Counted in one transaction at most.
AT_ONCE = timedelta(days=1)
#: How much the pages count themselves at most, where no launcher did.
LIVE = timedelta(hours=2)
#: Seconds: what took longer is kept for so many times as long.
_QUICK, _KEPT_TIMES = 0.1, 20
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_COUNTED = (RunState.SUCCEEDED, RunState.FAILED, RunState.SKIPPED, RunState.CANCELLED)


class begin_of(FunctionElement[datetime]):  # noqa: N801 - written like an SQL function
    """The begin of the minute or hour (the first argument) that a time lies in."""

    type = UtcDateTime()
    inherit_cache = True

    def __init__(self, unit: str, moment: Any) -> None:
        self.unit = unit
        super().__init__(moment)


class minute_of(begin_of):  # noqa: N801
    """The begin of a time's minute."""

    inherit_cache = True

    def __init__(self, moment: Any) -> None:
        super().__init__("minute", moment)


class hour_of(begin_of):  # noqa: N801
    """The begin of a time's hour, in UTC."""

    inherit_cache = True

    def __init__(self, moment: Any) -> None:
        super().__init__("hour", moment)


@compiles(begin_of)
def _default(element: begin_of, compiler: Any, **kw: Any) -> str:
    inner = compiler.process(element.clauses, **kw)
    return f"date_trunc('{element.unit}', {inner}, 'UTC')"


@compiles(begin_of, "sqlite")
def _sqlite(element: begin_of, compiler: Any, **kw: Any) -> str:
    # As SQLAlchemy writes times, so that they compare as text.
    inner = compiler.process(element.clauses, **kw)
    length, rest = (16, ":00.000000") if element.unit == "minute" else (13, ":00:00.000000")
    return f"(substr({inner}, 1, {length}) || '{rest}')"


def count_minutes(session: Session) -> bool:
    """Count the runs of minutes that are over; returns whether there are more to count.

    Two launchers that do it at once count the same, one after the other. What was counted is
    counted anew for the last minutes only, and never becomes less: results are pruned and
    deleted, and counts stay.
    """
    moment = now(session)
    settled = _floor(moment - SETTLED)
    counted = _counted_upto(session)
    begin = settled - KEPT if counted is None else max(counted - AGAIN, settled - KEPT)
    end = min(settled, begin + AT_ONCE)
    if counted is not None and settled <= counted:
        end_reading(session)
        return False
    rows = _by_minute(session, begin, end)
    end_reading(session)  # nobody waits for this transaction while the rows are read
    with ledger_transaction(session):
        state = select(LedgerState.counted_upto).where(LedgerState.id == 1).with_for_update()
        if session.execute(state).scalar_one() != counted:
            return True  # another launcher has counted meanwhile
        session.execute(
            delete(MinuteCount).where(MinuteCount.minute < settled - KEPT),
            execution_options={"synchronize_session": False},
        )
        if rows:
            session.execute(_upsert(session), [row._asdict() for row in rows])
        session.execute(
            update(LedgerState).where(LedgerState.id == 1).values(counted_upto=end),
            execution_options={"synchronize_session": False},
        )
    return end < settled


def _upsert(session: Session) -> Any:
    statement = insert_with_conflicts(session, MinuteCount)
    larger = func.max if session.get_bind().dialect.name == "sqlite" else func.greatest
    return statement.on_conflict_do_update(
        index_elements=[MinuteCount.minute],
        set_={
            state.value: larger(
                getattr(MinuteCount, state.value), getattr(statement.excluded, state.value)
            )
            for state in _COUNTED
        },
    )


class Count(NamedTuple):
    """Runs that finished in a minute."""

    minute: datetime
    succeeded: int
    failed: int
    skipped: int
    cancelled: int


class Bucket(NamedTuple):
    """Runs that finished from a moment on, for the length of a bucket."""

    begin: datetime
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0
    cancelled: int = 0

    @property
    def finished(self) -> int:
        """Those that were executed."""
        return self.succeeded + self.failed


class Finished(NamedTuple):
    """What finished within a span, in buckets of equal length, the oldest first."""

    buckets: Sequence[Bucket]
    #: The same of the last 24 hours, and of the last one, in one.
    day: Bucket
    hour: Bucket
    #: Since then nobody counted, up to where the pages count themselves; None: all is counted.
    uncounted_from: datetime | None
    uncounted_to: datetime | None


class RecentCounts:
    """Runs of the minutes that the launcher has not counted yet, by minute.

    While a million runs finish, counting them costs as much as executing some thousands. What
    took long is therefore kept, for some times as long, for everybody who asks this process.
    """

    def __init__(self) -> None:
        """Nothing is counted yet."""
        self._kept: tuple[float, datetime, list[Count]] | None = None

    def since(self, session: Session, begin: datetime) -> list[Count]:
        """The runs that finished since a minute's begin, as they are or were a moment ago."""
        if self._kept is not None:
            until, first, rows = self._kept
            if time.monotonic() < until and first <= begin:
                return [row for row in rows if row.minute >= begin]
        begun = time.monotonic()
        rows = _by_minute(session, begin, None)
        spent = time.monotonic() - begun
        kept = spent > _QUICK
        self._kept = (begun + _KEPT_TIMES * spent, begin, rows) if kept else None
        return rows


def finished_runs(
    session: Session, *, moment: datetime, span: timedelta, bucket: timedelta, recent: RecentCounts
) -> Finished:
    """How many runs finished, up to and with the bucket that *moment* lies in; three queries.

    Args:
        moment: The database's time.
        bucket: A whole number of minutes; for more than a day, of hours.
        recent: Of this process.
    """
    last = _floor(moment, bucket)
    first = last - span + bucket
    day_ago, hour_ago = _floor(moment - _DAY), _floor(moment - _HOUR)
    counted = _counted_upto(session)
    live_from = _floor(moment) - LIVE if counted is None else max(counted, _floor(moment) - LIVE)
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
    return Finished(
        [Bucket(one, *sums.get(one, (0, 0, 0, 0))) for one in begins],
        _since(rows, day_ago),
        _since(rows, hour_ago),
        counted if gap else None,
        live_from if gap else None,
    )


def total(found: Finished) -> Bucket:
    """The sums over all buckets."""
    sums = [sum(numbers) for numbers in zip(*(bucket[1:] for bucket in found.buckets), strict=True)]
    return Bucket(found.buckets[0].begin, *sums)


def _since(rows: Sequence[Count], begin: datetime) -> Bucket:
    recent = [row[1:] for row in rows if row.minute >= begin]
    return Bucket(begin, *(sum(numbers) for numbers in zip(*recent, strict=True)))


def _stored(session: Session, since: datetime, by_minute: datetime, until: datetime) -> list[Count]:
    """What was counted: by the hour, and by the minute from a moment on."""
    hour = hour_of(MinuteCount.minute)
    counts = (func.sum(getattr(MinuteCount, state.value)) for state in _COUNTED)
    begin = case((MinuteCount.minute >= by_minute, MinuteCount.minute), else_=hour).label("begin")
    rows = session.execute(
        select(begin, *counts)
        .where(MinuteCount.minute >= since, MinuteCount.minute < until)
        .group_by(literal_column("1"))
    )
    return [Count(*row) for row in rows]


def _by_minute(session: Session, begin: datetime, end: datetime | None) -> list[Count]:
    minute = minute_of(TaskResult.finished_at)
    within = [TaskResult.finished_at >= begin]
    if end is not None:
        within.append(TaskResult.finished_at < end)
    rows = session.execute(
        select(
            minute.label("minute"),
            *(
                func.sum(case((TaskResult.state == state, 1), else_=0)).label(state.value)
                for state in _COUNTED
            ),
        )
        .where(*within)
        .group_by(minute)
    )
    return [Count(*row) for row in rows]


def _counted_upto(session: Session) -> datetime | None:
    return session.execute(
        select(LedgerState.counted_upto).where(LedgerState.id == 1)
    ).scalar_one_or_none()


def _floor(moment: datetime, length: timedelta = _MINUTE) -> datetime:
    """The begin of the minute, or of another length, counted from 1970 on."""
    epoch = datetime(1970, 1, 1, tzinfo=moment.tzinfo)
    return epoch + (moment - epoch) // length * length
