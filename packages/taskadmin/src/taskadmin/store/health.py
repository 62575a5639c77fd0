"""What health checks ask the database; nothing here changes anything."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, func, literal, or_, select, text
from sqlalchemy.orm import Session

from ..models import (
    Launch,
    LaunchKind,
    LaunchState,
    LedgerState,
    Process,
    ProcessKind,
    RunState,
    TaskResult,
)
from .clock import database_now
from .launches import IS_OPEN

#: Rows counted at most: a count is no reason to read a large table.
COUNTED = 10_000
_RESULTS = TaskResult.__tablename__
#: Results counted at most where the database has no estimate.
_RESULTS_COUNTED = 2_000_000


class Server(NamedTuple):
    """Which database it is."""

    dialect: str
    version: tuple[int, ...]


def server(session: Session) -> Server:
    """Dialect and version of the database that answers."""
    session.execute(text("SELECT 1"))
    dialect = session.get_bind().dialect
    return Server(dialect.name, tuple(getattr(dialect, "server_version_info", None) or ()))


class ClockSkew(NamedTuple):
    """How far the database's clock is ahead of this machine's, give or take."""

    ahead: timedelta
    uncertainty: timedelta


def clock_skew(session: Session, *, samples: int = 3) -> ClockSkew:
    """Compare the clocks in the middle of the fastest of some round trips."""
    measured = []
    for _ in range(samples):
        before = datetime.now(UTC)
        there = session.execute(select(database_now())).scalar_one()
        after = datetime.now(UTC)
        half = (after - before) / 2
        measured.append(ClockSkew(there - (before + half), half))
    return min(measured, key=lambda skew: skew.uncertainty)


class BeatLag(NamedTuple):
    """How long ago beat and launcher were heard of, by the database's clock; None for never."""

    seen: timedelta | None
    ticked: timedelta | None


def beat_lag(session: Session) -> BeatLag:
    """How long ago a living beat was seen, and a launcher's turn began."""
    seen = (
        select(func.max(Process.seen_at))
        .where(Process.kind == ProcessKind.BEAT, Process.gone_at.is_(None))
        .scalar_subquery()
    )
    ticked = select(LedgerState.ticked_at).where(LedgerState.id == 1).scalar_subquery()
    row = session.execute(select(database_now(), seen, ticked)).one()
    moment, seen_at, ticked_at = row

    def ago(then: datetime | None) -> timedelta | None:
        # Under a transaction of somebody else's that began before, a moment may lie ahead.
        return None if then is None else max(moment - then, timedelta(0))

    return BeatLag(ago(seen_at), ago(ticked_at))


class Living(NamedTuple):
    """A process that isn't taken for gone."""

    kind: ProcessKind
    name: str
    pid: int
    silent: timedelta


def living(session: Session) -> Sequence[Living]:
    """Every process that isn't taken for gone, and for how long it has been silent."""
    rows = session.execute(
        select(Process.kind, Process.name, Process.pid, Process.seen_at, database_now())
        .where(Process.gone_at.is_(None))
        .order_by(Process.kind, Process.name, Process.pid)
    ).all()
    return [
        Living(ProcessKind(kind), name, pid, max(moment - seen_at, timedelta(0)))
        for kind, name, pid, seen_at, moment in rows
    ]


def missed_slots(session: Session, *, since: timedelta) -> int:
    """Slots of the last while that nothing launched; at most ``COUNTED``."""
    moment = session.execute(select(database_now())).scalar_one()
    return _count(
        session,
        select(literal(1))
        .select_from(Launch)
        .where(
            Launch.kind == LaunchKind.SLOT,
            Launch.slot > moment - since,
            Launch.state == LaunchState.MISSED,
        ),
    )


def stuck_runs(session: Session, *, older_than: timedelta) -> int:
    """Queued runs that no worker took for so long; at most ``COUNTED``."""
    cutoff = session.execute(select(database_now())).scalar_one() - older_than
    return _count(
        session,
        select(literal(1))
        .select_from(TaskResult)
        .where(
            TaskResult.finished_at.is_(None),
            TaskResult.state == RunState.QUEUED,
            TaskResult.queued_at < cutoff,
            or_(TaskResult.not_before.is_(None), TaskResult.not_before < cutoff),
        ),
    )


def stuck_launches(session: Session, *, older_than: timedelta) -> int:
    """Launches that have been opening for so long; at most ``COUNTED``."""
    cutoff = session.execute(select(database_now())).scalar_one() - older_than
    return _count(
        session,
        select(literal(1))
        .select_from(Launch)
        .where(
            IS_OPEN,
            Launch.state == LaunchState.OPENING,
            Launch.opened_at < cutoff,
        ),
    )


def prunable_for(session: Session) -> timedelta | None:
    """How long ago the oldest launch was closed that is still there; None without one.

    Pruning counts from then on, so this is never much more than the retention.
    """
    oldest: ColumnElement[datetime | None] = func.min(Launch.closed_at)
    moment, closed_at = session.execute(select(database_now(), oldest)).one()
    return None if closed_at is None else moment - closed_at


class Size(NamedTuple):
    """How large the table of results is."""

    rows: int
    #: Whether *rows* is the database's estimate.
    estimated: bool
    #: With its indexes; on SQLite of the whole file.
    size_bytes: int


def results_size(session: Session) -> Size:
    """Rows and bytes of the results, without reading a large table."""
    if session.get_bind().dialect.name == "postgresql":
        estimate, size = session.execute(
            text(
                "SELECT reltuples::bigint, pg_total_relation_size(oid)"
                " FROM pg_class WHERE oid = to_regclass(:name)"
            ),
            {"name": _RESULTS},
        ).one()
        if estimate > 0:  # -1 before the table is first analyzed, 0 when it was empty then
            return Size(estimate, True, size)
    else:
        pages = session.execute(text("SELECT page_count FROM pragma_page_count")).scalar_one()
        page = session.execute(text("SELECT page_size FROM pragma_page_size")).scalar_one()
        size = pages * page
    rows = _count(session, select(literal(1)).select_from(TaskResult), _RESULTS_COUNTED)
    return Size(rows, False, size)


def _count(session: Session, rows: Select[Any], most: int = COUNTED) -> int:
    limited = rows.limit(most).subquery()
    return session.execute(select(func.count()).select_from(limited)).scalar_one()
