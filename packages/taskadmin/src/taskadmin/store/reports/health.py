"""Read-only queries of the health checks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Select, func, literal, or_, select, text
from sqlalchemy.orm import Session

from ...models import (
    Launch,
    LaunchKind,
    LaunchState,
    LedgerState,
    Process,
    ProcessKind,
    RunState,
    TaskResult,
)
from ..database.clock import database_now
from ..database.counting import MAX_COUNTED, count_up_to
from ..database.schema import table_prefix
from ..launches.launches import IS_OPEN_LAUNCH

_RESULTS = TaskResult.__tablename__
#: Maximum results to count if the database has no estimate.
_RESULTS_COUNTED = 2_000_000


class Server(NamedTuple):
    """The database's dialect and version."""

    dialect: str
    version: tuple[int, ...]


def server(session: Session) -> Server:
    """Connect, and return the database's dialect and version."""
    dialect = session.get_bind().dialect
    # Without a table, SQLite doesn't read the file.
    from_ = " FROM sqlite_master" if dialect.name == "sqlite" else ""
    session.execute(text(f"SELECT count(*){from_}"))
    return Server(dialect.name, tuple(getattr(dialect, "server_version_info", None) or ()))


class ClockSkew(NamedTuple):
    """How far the database's clock is ahead of this machine's."""

    ahead: timedelta
    uncertainty: timedelta


def clock_skew(session: Session, *, samples: int = 3) -> ClockSkew:
    """Compare the clocks at the middle of the fastest of several round trips."""
    measured = []
    for _ in range(samples):
        before = datetime.now(UTC)
        there = session.execute(select(database_now())).scalar_one()
        after = datetime.now(UTC)
        half = (after - before) / 2
        measured.append(ClockSkew(there - (before + half), half))
    return min(measured, key=lambda skew: skew.uncertainty)


class BeatLag(NamedTuple):
    """Time since the last heartbeat of beat and the launcher's last turn; None for never."""

    seen: timedelta | None
    ticked: timedelta | None
    #: The database's time of both; None if it wasn't asked.
    moment: datetime | None = None


def beat_lag(session: Session) -> BeatLag:
    """Return the time since a live beat's last heartbeat and the launcher's last turn."""
    seen = (
        select(func.max(Process.seen_at))
        .where(Process.kind == ProcessKind.BEAT, Process.gone_at.is_(None))
        .scalar_subquery()
    )
    ticked = select(LedgerState.ticked_at).where(LedgerState.id == 1).scalar_subquery()
    row = session.execute(select(database_now(), seen, ticked)).one()
    moment, seen_at, ticked_at = row

    def ago(then: datetime | None) -> timedelta | None:
        # A time written by a concurrent transaction may be later than this statement's.
        return None if then is None else max(moment - then, timedelta(0))

    return BeatLag(ago(seen_at), ago(ticked_at), moment)


class LiveProcess(NamedTuple):
    """A process that isn't marked gone."""

    kind: ProcessKind
    name: str
    pid: int
    silent: timedelta
    #: Comma-separated.
    queues: str = ""
    #: The problem that it reports about itself.
    trouble: str | None = None


def live_processes(session: Session) -> Sequence[LiveProcess]:
    """Return the processes that aren't marked gone, with the time since their last heartbeat."""
    rows = session.execute(
        select(
            *(Process.kind, Process.name, Process.pid, Process.seen_at, database_now()),
            *(Process.queues, Process.trouble),
        )
        .where(Process.gone_at.is_(None))
        .order_by(Process.kind, Process.name, Process.pid)
    ).all()
    return [
        LiveProcess(
            ProcessKind(kind), name, pid, max(moment - seen_at, timedelta(0)), queues, trouble
        )
        for kind, name, pid, seen_at, moment, queues, trouble in rows
    ]


def missed_slots(session: Session, *, since: timedelta) -> int:
    """Count recent slots that weren't launched, up to ``MAX_COUNTED``."""
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
    """Count queued runs that no worker has claimed for *older_than*, up to ``MAX_COUNTED``."""
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
    """Count launches that have been opening for *older_than*, up to ``MAX_COUNTED``."""
    cutoff = session.execute(select(database_now())).scalar_one() - older_than
    return _count(
        session,
        select(literal(1))
        .select_from(Launch)
        .where(
            IS_OPEN_LAUNCH,
            Launch.state == LaunchState.OPENING,
            Launch.opened_at < cutoff,
        ),
    )


class Size(NamedTuple):
    """The size of the results table."""

    rows: int
    #: Whether *rows* is the database's estimate.
    estimated: bool
    #: Including indexes; for SQLite, of the whole file.
    size_bytes: int


def results_size(session: Session) -> Size:
    """Return rows and bytes of the results, without scanning a large table."""
    if session.get_bind().dialect.name == "postgresql":
        estimate, size = session.execute(
            text(
                "SELECT reltuples::bigint, pg_total_relation_size(oid)"
                " FROM pg_class WHERE oid = to_regclass(:name)"
            ),
            {"name": table_prefix(session) + _RESULTS},
        ).one()
        if estimate > 0:  # -1 before the table's first ANALYZE, 0 if it was empty then
            return Size(estimate, True, size)
    else:
        pages = session.execute(text("SELECT page_count FROM pragma_page_count")).scalar_one()
        page = session.execute(text("SELECT page_size FROM pragma_page_size")).scalar_one()
        size = pages * page
    rows = _count(session, select(literal(1)).select_from(TaskResult), _RESULTS_COUNTED)
    return Size(rows, False, size)


def _count(session: Session, rows: Select[object], most: int = MAX_COUNTED) -> int:
    return session.execute(select(count_up_to(rows, most))).scalar_one()
