"""Processes: registration, heartbeats and expiry."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from services.rows.runs import BOOT, DUE, register
from taskadmin.models import Process, ProcessEnd, ProcessKind
from taskadmin.store.database.clock import now
from taskadmin.store.upkeep import processes, recovery
from taskadmin.store.upkeep.processes import ProcessIdentity


def test_a_process_beats_until_it_is_gone(session: Session, process_id: UUID) -> None:
    """A gone process gets a new id."""
    assert processes.record_heartbeat(session, process_id)
    assert processes.mark_gone(session, process_id, ProcessEnd.LOST, "It was killed.")
    assert not processes.record_heartbeat(session, process_id)
    assert not processes.mark_gone(session, process_id, ProcessEnd.TIME_LIMIT, "again")
    assert session.scalars(select(Process.ending)).all() == [ProcessEnd.LOST]


def test_silent_processes_expire(session: Session, process_id: UUID) -> None:
    """After the lease, by the database's clock."""
    silent = register(session, 2)
    session.execute(
        update(Process)
        .where(Process.id == silent)
        .values(seen_at=now(session) - timedelta(seconds=31))
    )
    session.commit()
    assert processes.expire(session, timedelta(seconds=30)) == 1
    assert processes.expire(session, timedelta(seconds=30)) == 0
    assert [process.id for process in processes.live_processes(session)] == [process_id]


def test_a_worker_that_stops_takes_its_children_with_it(session: Session, process_id: UUID) -> None:
    """But no other processes, such as beat's or those of a similar container."""
    other = register(session, 3, parent_pid=200)
    elsewhere = register(session, 1, boot=uuid4())
    beat = processes.register_process(
        session, ProcessIdentity(ProcessKind.BEAT, "beat", "host", 100, boot=BOOT)
    )
    worker = ProcessIdentity(ProcessKind.WORKER, "w1@host", "host", 100, boot=BOOT)
    processes.register_process(session, worker)
    assert processes.mark_stopped(session, worker, "It was told to stop.") == 2
    assert {process.id for process in processes.live_processes(session)} == {other, elsewhere, beat}


def test_a_child_that_died_is_known_by_its_pid(session: Session, process_id: UUID) -> None:
    """Within its program, because containers often have equal host names and pids."""
    elsewhere = register(session, 1, boot=uuid4())
    assert processes.mark_gone_by_pid(session, BOOT, [1], ProcessEnd.LOST, "SIGKILL") == 1
    assert [process.id for process in processes.live_processes(session)] == [elsewhere]


def test_processes_that_are_gone_for_long_are_forgotten(session: Session, process_id: UUID) -> None:
    """Once none of their runs can be left."""
    processes.mark_gone(session, process_id, ProcessEnd.LOST, "It was killed.")
    session.execute(update(Process).values(gone_at=DUE))
    session.commit()
    assert processes.delete_gone(session) == 0
    recovery.take_back(session, lost_attempts=3)
    assert processes.delete_gone(session) == 1
