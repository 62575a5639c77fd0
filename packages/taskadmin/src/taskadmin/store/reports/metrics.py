"""What metrics read: totals and counters, and how the ledger is now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import and_, case, func, literal, literal_column, select
from sqlalchemy.orm import Session

from ...models import LedgerState, Process, ProcessKind, RunState, TaskResult
from ..database.clock import database_now
from ..database.counting import MAX_COUNTED, count_up_to
from ..launches.launches import IS_OPEN_LAUNCH
from ..upkeep.run_totals import Totals, plus, read_totals
from .process_pages import Waiting

#: The launchers' counters, columns of ``LedgerState``.
COUNTERS = ("resumed", "taken_back", "republished", "given_up", "missed", "pruned")


class RunSeries(NamedTuple):
    """What finished runs are counted by."""

    job: str
    queue: str
    state: RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The ledger's numbers at one moment."""

    totals: Mapping[RunSeries, Totals]
    #: Time since the end of the last minute in the totals; None if nothing was ever counted.
    counted_age: timedelta | None
    counters: Mapping[str, int]
    #: Time since the launcher's last turn; None for never.
    turn_age: timedelta | None
    #: Number of live processes of each kind, and the time since the newest heartbeat of one.
    processes: Mapping[ProcessKind, int]
    heartbeat_ages: Mapping[ProcessKind, timedelta]
    #: Up to ``MAX_COUNTED``.
    open_launches: int
    #: By queue, of the ``MAX_COUNTED`` oldest.
    open_runs: Mapping[str, Waiting]


def take_snapshot(session: Session, *, lease: timedelta) -> Snapshot:
    """Read all of them; four queries that don't scan results.

    Args:
        lease: A process without a heartbeat for longer doesn't count as live.
    """
    open_launches = count_up_to(select(literal(1)).where(IS_OPEN_LAUNCH), MAX_COUNTED)
    state = session.execute(
        select(
            database_now().label("moment"),
            LedgerState.ticked_at,
            LedgerState.counted_upto,
            *(getattr(LedgerState, name) for name in COUNTERS),
            select(open_launches).scalar_subquery().label("open_launches"),
        ).where(LedgerState.id == 1)
    ).one()
    moment: datetime = state.moment
    living = and_(Process.gone_at.is_(None), Process.seen_at > moment - lease)
    processes = session.execute(
        select(
            Process.kind, func.sum(case((living, 1), else_=0)), func.max(Process.seen_at)
        ).group_by(Process.kind)
    ).all()

    def ago(then: datetime) -> timedelta:
        return max(moment - then, timedelta(0))

    return Snapshot(
        totals=_totals(session),
        counted_age=None if state.counted_upto is None else ago(state.counted_upto),
        counters={name: getattr(state, name) for name in COUNTERS},
        turn_age=None if state.ticked_at is None else ago(state.ticked_at),
        processes={ProcessKind(kind): int(number) for kind, number, _ in processes},
        heartbeat_ages={ProcessKind(kind): ago(seen_at) for kind, _, seen_at in processes},
        open_launches=state.open_launches,
        open_runs=_open_runs(session, moment),
    )


def _totals(session: Session) -> dict[RunSeries, Totals]:
    by_series: dict[RunSeries, Totals] = {}
    for key, totals in read_totals(session).items():
        series = RunSeries(key.job, key.queue, key.state)
        by_series[series] = by_series.get(series, Totals()).combined(totals, plus)
    return by_series


def _open_runs(session: Session, moment: datetime) -> dict[str, Waiting]:
    """Count the oldest open runs; running ones are among them, since workers take them in order."""
    run = TaskResult
    some = (
        select(run.queue, run.state, run.queued_at, run.not_before)
        .where(run.finished_at.is_(None))
        .order_by(run.launch_id, run.id)
        .limit(MAX_COUNTED)
        .subquery()
        .c
    )
    is_later = and_(some.not_before.is_not(None), some.not_before > moment)
    is_running = some.state == RunState.RUNNING
    place = case((is_running, "running"), (is_later, "later"), else_="ready")
    since = case((some.not_before > some.queued_at, some.not_before), else_=some.queued_at)
    rows = session.execute(
        select(some.queue, place.label("place"), func.count(), func.min(since)).group_by(
            some.queue, literal_column("2")
        )
    )
    found: dict[str, Waiting] = {}
    for queue, name, number, oldest in rows:
        waiting = found.get(queue, Waiting(0, 0, 0, None))._replace(**{name: number})
        if name == "ready":
            waiting = waiting._replace(oldest=max(moment - oldest, timedelta(0)))
        found[queue] = waiting
    return found
