"""Transactions of the ledger: all or nothing, and locks that don't last for ever."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import URL, Engine, create_engine, event, func, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.runs import DONE, DUE
from taskadmin.models import ProcessKind, RunState, Task, TaskResult
from taskadmin.store import claims, processes, transaction, unclaimed
from taskadmin.store.outage import is_outage
from taskadmin.store.processes import Identity
from taskadmin.store.transaction import ledger_transaction, single_reading, single_statement


def rename(session: Session, name: str) -> None:
    session.execute(update(Task).values(name=name))


def name_of_task(engine: Engine) -> str | None:
    with Session(engine) as own:
        return own.scalar(select(Task.name))


def test_what_the_block_did_is_committed(
    engine: Engine, session: Session, make_task: MakeTask
) -> None:
    """At its end, for everybody to see."""
    make_task()
    with ledger_transaction(session):
        rename(session, "new")
    assert name_of_task(engine) == "new"
    assert not session.in_transaction()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_block_that_fails_changes_nothing(
    engine: Engine, session: Session, make_task: MakeTask, error: type[BaseException]
) -> None:
    """Whatever stopped it, and no lock stays behind."""
    make_task(name="old")

    def write_and_fail() -> None:
        rename(session, "new")
        raise error

    with pytest.raises(error), ledger_transaction(session):
        write_and_fail()
    assert not session.in_transaction()
    assert name_of_task(engine) == "old"


RENAME = update(Task).values(name="new")


def test_one_statement_is_committed(engine: Engine, session: Session, make_task: MakeTask) -> None:
    """And nothing is left open; a host's session needn't begin for it."""
    make_task()
    with single_reading(session) as database:
        assert database.execute(select(Task.name)).scalar() is None
    with single_statement(session) as database:
        database.execute(RENAME)
    assert name_of_task(engine) == "new"
    assert not session.in_transaction()


def test_one_statement_that_fails_changes_nothing(
    engine: Engine, session: Session, make_task: MakeTask
) -> None:
    """The session can be used after it."""
    make_task(name="old")
    with pytest.raises(IntegrityError), single_statement(session) as database:
        database.execute(update(Task).values(id=None))
    assert name_of_task(engine) == "old"
    with single_statement(session) as database:
        database.execute(RENAME)
    assert name_of_task(engine) == "new"


def test_one_statement_in_a_transaction_that_has_begun_belongs_to_it(
    engine: Engine, session: Session, make_task: MakeTask
) -> None:
    """A second connection would wait for the locks of the first, or not see what it wrote."""
    make_task()
    session.execute(update(Task).values(upper_limit=7))
    with single_statement(session) as database:
        database.execute(RENAME.where(Task.upper_limit == 7))
    assert name_of_task(engine) == "new"


@pytest.mark.databases("postgresql")  # the driver of SQLite has no real savepoints
def test_one_statement_of_a_session_that_is_bound_to_a_connection_uses_that(
    engine: Engine, session: Session, make_task: MakeTask
) -> None:
    """Hosts do that in their tests, and roll everything back at their ends."""
    make_task(name="old")
    with engine.connect() as connection, connection.begin() as outer:
        with Session(connection, join_transaction_mode="create_savepoint") as bound:
            with single_statement(bound) as database:
                database.execute(RENAME)
            with single_reading(bound) as database:
                assert database.execute(select(Task.name)).scalar() == "new"
        outer.rollback()
    assert name_of_task(engine) == "old"


@pytest.mark.databases("postgresql")
def test_locks_and_idling_are_limited_on_postgresql(session: Session) -> None:
    """For this transaction only: the connection goes back to the host's pool."""
    settings = select(
        func.current_setting("lock_timeout"),
        func.current_setting("idle_in_transaction_session_timeout"),
    )
    with ledger_transaction(session):
        inside = session.execute(settings).one()
    assert inside == ("10s", "30s")
    assert session.execute(settings).one() == ("0", "0")


@pytest.mark.databases("postgresql")
def test_a_single_statement_waits_for_a_lock_as_long_as_others(
    engine: Engine, session: Session, run_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it fails as in an outage: a worker says so, and tries again or gives the run back."""
    monkeypatch.setattr(
        transaction, "_LOCK_TIMEOUT", transaction._LOCK_TIMEOUT.replace("10s", "200ms")
    )
    engine.clear_compiled_cache()
    owner = Identity(ProcessKind.CHILD, "w1@host", "host", 1, parent_pid=100, boot=uuid4())
    process_id = processes.register(session, owner)

    def claim() -> None:
        claims.claim(session, run_id, DUE, token=uuid4(), process_id=process_id, worker="w1")

    def complete() -> None:
        unclaimed.complete_unclaimed(session, run_id, DUE, uuid4(), DONE)

    with Session(engine) as other:
        other.get_one(TaskResult, run_id, with_for_update=True)
        for do in (claim, complete):
            with pytest.raises(OperationalError, match="lock timeout") as caught:
                do()
            assert is_outage(caught.value)
    complete()
    assert session.scalar(select(func.current_setting("lock_timeout"))) == "0"
    assert session.get_one(TaskResult, run_id).state == RunState.SUCCEEDED
    session.rollback()
    engine.clear_compiled_cache()


@pytest.mark.databases("sqlite")
def test_others_can_not_write_meanwhile_on_sqlite(
    database_url: URL, session: Session, make_task: MakeTask
) -> None:
    """From its beginning: what the block reads stays true until it writes."""
    make_task()
    impatient = create_engine(database_url, connect_args={"timeout": 0})
    with impatient.connect() as other:
        with (
            ledger_transaction(session),
            pytest.raises(OperationalError, match="database is locked"),
        ):
            other.execute(text("UPDATE taskadmin_task SET name = 'other'"))
        other.rollback()
        other.execute(text("UPDATE taskadmin_task SET name = 'other'"))
        other.commit()
    impatient.dispose()
    assert session.scalar(select(Task.name)) == "other"


@pytest.mark.databases("sqlite")
def test_a_host_may_begin_transactions_itself_on_sqlite(
    engine: Engine, session: Session, make_task: MakeTask
) -> None:
    """With SQLAlchemy's recipe for the driver, a transaction has begun already."""

    @event.listens_for(engine, "connect")
    def leave_it_to_us(connection: Any, _record: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    engine.dispose()  # connections from before the recipe
    make_task(name="old")
    with ledger_transaction(session):
        rename(session, "new")
    assert name_of_task(engine) == "new"
