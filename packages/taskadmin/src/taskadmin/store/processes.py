"""Processes: registered, beaten, taken for gone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, CursorResult, and_, delete, insert, or_, select, update
from sqlalchemy.orm import Session

from ..models import Process, ProcessEnd, ProcessKind
from .clock import database_now, now
from .transaction import end_reading, ledger_transaction

#: Rows of processes that are gone are kept for people this long.
KEPT = timedelta(hours=1)


class Identity(NamedTuple):
    """What a process says of itself."""

    kind: ProcessKind
    name: str
    host: str
    pid: int
    parent_pid: int | None = None
    queues: str = ""
    boot: UUID | None = None


def register(session: Session, who: Identity) -> UUID:
    """Note that a process lives, and return its id, which is new every time."""
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
                started_at=moment,
                seen_at=moment,
            )
        )
    return process_id


def beat(session: Session, process_id: UUID) -> bool:
    """Note that a process still lives; False if it is taken for gone and has to register anew."""
    with ledger_transaction(session):
        return (
            _update(
                session,
                Process.id == process_id,
                Process.gone_at.is_(None),
                seen_at=database_now(),
            )
            == 1
        )


def mark_gone(session: Session, process_id: UUID, ending: ProcessEnd, reason: str) -> bool:
    """Take a process for gone; False if it is already."""
    with ledger_transaction(session):
        return _gone(session, ending, reason, Process.id == process_id) == 1


def mark_gone_by_pid(
    session: Session, boot: UUID, pids: Collection[int], ending: ProcessEnd, reason: str
) -> int:
    """The same for children that their parent, of the same *boot*, saw end."""
    with ledger_transaction(session):
        return _gone(session, ending, reason, Process.boot == boot, Process.pid.in_(pids))


def mark_stopped(session: Session, who: Identity, reason: str) -> int:
    """Take a process that stops by itself for gone, and the children of its pool with it."""
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
    """Take for gone every process that hasn't been heard of for a *lease*."""
    moment = now(session)
    silent = (Process.gone_at.is_(None), Process.seen_at < moment - lease)
    found = session.execute(select(Process.id).where(*silent).limit(1)).scalar()
    end_reading(session)
    if found is None:
        return 0
    with ledger_transaction(session):
        return _gone(
            session,
            ProcessEnd.LOST,
            f"It hasn't been heard of for {lease.total_seconds():g} s.",
            *silent,
        )


def forget(session: Session) -> int:
    """Delete the rows of processes that are gone for long and have nothing left."""
    old = (Process.gone_at < now(session) - KEPT, Process.cleared.is_(True))
    found = session.execute(select(Process.id).where(*old).limit(1)).scalar()
    end_reading(session)
    if found is None:
        return 0
    with ledger_transaction(session):
        done: CursorResult[Any] = session.execute(
            delete(Process).where(*old), execution_options={"synchronize_session": False}
        )  # type: ignore[assignment]
    return done.rowcount


def living(session: Session) -> Sequence[Process]:
    """Every process that isn't taken for gone."""
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


def _update(session: Session, *which: ColumnElement[bool], **values: Any) -> int:
    done: CursorResult[Any] = session.execute(
        update(Process).where(*which).values(**values),
        execution_options={"synchronize_session": False},
    )  # type: ignore[assignment]
    return done.rowcount
