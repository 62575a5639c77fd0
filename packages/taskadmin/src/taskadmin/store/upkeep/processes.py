"""Processes: register, send heartbeats, and mark them gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, and_, delete, insert, or_, select, update
from sqlalchemy.orm import Session

from ...models import Process, ProcessEnd, ProcessKind, RunState, TaskResult
from ..database.clock import database_now, now
from ..database.transaction import changed_rows, end_reading, ledger_transaction

#: How long rows of gone processes are kept for people to see.
PROCESS_RETENTION = timedelta(hours=1)


class ProcessIdentity(NamedTuple):
    """How a process identifies itself."""

    kind: ProcessKind
    name: str
    host: str
    pid: int
    parent_pid: int | None = None
    queues: str = ""
    boot: UUID | None = None
    processes: int = 1


def register_process(session: Session, who: ProcessIdentity) -> UUID:
    """Register a process and return its new id."""
    process_id = uuid4()
    with ledger_transaction(session):
        moment = now(session)
        session.execute(
            insert(Process).values(
                id=process_id,
                kind=who.kind,
                name=who.name[:200],
                host=who.host[:200],
                pid=who.pid,
                parent_pid=who.parent_pid,
                queues=who.queues[:1000],
                boot=who.boot,
                processes=who.processes,
                started_at=moment,
                seen_at=moment,
            )
        )
    return process_id


def record_heartbeat(session: Session, process_id: UUID, trouble: str | None = None) -> bool:
    """Send a heartbeat; return False if the process was marked gone and must register again.

    Args:
        trouble: A problem that the process reports about itself.
    """
    with ledger_transaction(session):
        return (
            _update(
                session,
                Process.id == process_id,
                Process.gone_at.is_(None),
                seen_at=database_now(),
                trouble=trouble and trouble[:500],
            )
            == 1
        )


def processes_of_queues(session: Session) -> dict[str, int]:
    """Count the pool processes of live workers by the queues that they consume."""
    rows = session.execute(
        select(Process.queues, Process.processes).where(
            Process.kind == ProcessKind.WORKER, Process.gone_at.is_(None)
        )
    ).all()
    end_reading(session)
    counts: Counter[str] = Counter()
    for queues, processes in rows:
        for queue in queues.split(","):
            counts[queue] += processes
    return dict(counts)


def mark_gone(session: Session, process_id: UUID, ending: ProcessEnd, reason: str) -> bool:
    """Mark a process gone; return False if it already is."""
    with ledger_transaction(session):
        return _gone(session, ending, reason, Process.id == process_id) == 1


def mark_ended(session: Session, process_id: UUID, reason: str) -> bool:
    """Mark a process that exits gone; return False if it has a running run.

    In that case, the process that sees it exit knows the reason.
    """
    running = select(TaskResult.id).where(
        TaskResult.process_id == process_id,
        TaskResult.finished_at.is_(None),
        TaskResult.state == RunState.RUNNING,
    )
    with ledger_transaction(session):
        which = Process.id == process_id, ~running.exists()
        return _gone(session, ProcessEnd.STOPPED, reason, *which) == 1


def mark_gone_by_pid(
    session: Session, boot: UUID, pids: Collection[int], ending: ProcessEnd, reason: str
) -> int:
    """Mark children gone whose exit their parent, of the same *boot*, has seen."""
    with ledger_transaction(session):
        return _gone(session, ending, reason, Process.boot == boot, Process.pid.in_(pids))


def mark_stopped(session: Session, who: ProcessIdentity, reason: str) -> int:
    """Mark a process that stops gone, together with its pool's children."""
    with ledger_transaction(session):
        return _gone(
            session,
            ProcessEnd.STOPPED,
            reason,
            Process.boot == who.boot,
            or_(
                and_(Process.pid == who.pid, Process.kind == who.kind),
                Process.parent_pid == who.pid,
            ),
        )


def expire(session: Session, lease: timedelta) -> int:
    """Mark processes gone that sent no heartbeat for a *lease*."""
    moment = now(session)
    silent = (Process.gone_at.is_(None), Process.seen_at < moment - lease)
    silent_id = session.execute(select(Process.id).where(*silent).limit(1)).scalar()
    end_reading(session)
    if silent_id is None:
        return 0
    with ledger_transaction(session):
        return _gone(
            session,
            ProcessEnd.LOST,
            f"It sent no heartbeat for {lease.total_seconds():g} s.",
            *silent,
        )


def delete_gone(session: Session, *, batch: int = 1_000) -> int:
    """Delete rows of processes that are gone for long and have no runs left; return how many."""
    old = (Process.gone_at < now(session) - PROCESS_RETENTION, Process.cleared.is_(True))
    ids = session.scalars(select(Process.id).where(*old).limit(batch)).all()
    end_reading(session)
    if not ids:
        return 0
    with ledger_transaction(session):
        return changed_rows(
            session,
            delete(Process).where(Process.id.in_(ids)),
        )


def finished_among(
    session: Session, run_ids: Collection[int], *, before: timedelta
) -> Sequence[int]:
    """Return the runs of these that finished at least *before* ago."""
    finished = session.scalars(
        select(TaskResult.id)
        .where(TaskResult.id.in_(run_ids), TaskResult.finished_at < now(session) - before)
        .order_by(TaskResult.id)
    ).all()
    end_reading(session)
    return finished


def live_processes(session: Session) -> Sequence[Process]:
    """Return the processes that aren't marked gone."""
    return session.scalars(
        select(Process).where(Process.gone_at.is_(None)).order_by(Process.kind, Process.name)
    ).all()


def _gone(session: Session, ending: ProcessEnd, reason: str, *which: ColumnElement[bool]) -> int:
    return _update(
        session,
        *which,
        Process.gone_at.is_(None),
        gone_at=database_now(),
        ending=ending,
        reason=reason[:500],
    )


def _update(session: Session, *which: ColumnElement[bool], **values: object) -> int:
    return changed_rows(
        session,
        update(Process).where(*which).values(**values),
    )
