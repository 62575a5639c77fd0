"""Transactions of the ledger: all or nothing, with a lock timeout."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import URL, Engine, create_engine, event, func, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.rows.runs import claim, finish
from taskadmin.models import RunState, Task, TaskResult
from taskadmin.store.database import transaction
from taskadmin.store.database.outage import is_outage
from taskadmin.store.database.transaction import (
    ledger_transaction,
    single_reading,
    single_statement,
)
from taskadmin.store.runs import transitions
from taskadmin.store.runs.outcome_columns import RECORD_OUTCOMES


def rename(session: Session, name: str) -> None:
    session.execute(update(Task).values(name=name))


def name_of_task(engine: Engine) -> str | None:
    with Session(engine) as own:
        return own.scalar(select(Task.name))


def test_changes_in_the_block_are_committed(
    engine: Engine, session: Session, make_task: MakeTask
) -> None:
    """Other connections see it after the block."""
    make_task()
    with ledger_transaction(session):
        rename(session, "new")
    assert name_of_task(engine) == "new"
    assert not session.in_transaction()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_block_that_fails_changes_nothing(
    engine: Engine, session: Session, make_task: MakeTask, error: type[BaseException]
) -> None:
    """After any exception, nothing is changed and no lock remains."""
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
    """No transaction stays open, and the host's session needn't begin one."""
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
    """The session stays usable."""
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
    """A second connection would wait for its locks, or not see its changes."""
    make_task()
    session.execute(update(Task).values(upper_limit=7))
    with single_statement(session) as database:
        database.execute(RENAME.where(Task.upper_limit == 7))
    assert name_of_task(engine) == "new"


@pytest.mark.databases("postgresql")  # the driver of SQLite has no real savepoints
def test_one_statement_of_a_session_that_is_bound_to_a_connection_uses_that(
    engine: Engine, session: Session, make_task: MakeTask
) -> None:
    """Hosts' tests do that, and roll back at the end."""
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
@pytest.mark.parametrize("block", [ledger_transaction, single_statement, single_reading])
@pytest.mark.parametrize(
    ("code", "stays"), [("26000", False), ("40P01", False), ("25006", False), ("55P03", True)]
)
def test_a_connection_that_can_not_serve_is_thrown_away(
    engine: Engine, session: Session, block: Any, code: str, stays: bool
) -> None:
    """The next try gets another connection; after a lock timeout, the same one."""
    pid = select(func.pg_backend_pid())
    before = session.scalar(pid)
    session.commit()
    fail = text(f"DO $$BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END$$")

    with pytest.raises(DBAPIError), block(session) as database:
        (database or session).execute(fail)

    assert (session.scalar(pid) == before) is stays


@pytest.mark.databases("postgresql")
def test_a_session_that_is_bound_to_a_connection_keeps_it(engine: Engine) -> None:
    """Its transaction belongs to the owner of the connection."""
    fail = text("DO $$BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '40P01'; END$$")
    with engine.connect() as connection:
        bound = Session(connection, join_transaction_mode="create_savepoint")
        connection.execute(text("CREATE TEMPORARY TABLE mine (x int)"))
        with pytest.raises(OperationalError), ledger_transaction(bound):
            bound.execute(fail)
        assert bound.execute(text("SELECT count(*) FROM mine")).scalar() == 0


@pytest.mark.databases("postgresql")
def test_locks_and_idling_are_limited_on_postgresql(session: Session) -> None:
    """Only in this transaction, since the connection returns to the host's pool."""
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
    engine: Engine,
    session: Session,
    run_id: int,
    process_id: UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Then it fails as in an outage, and the worker retries or returns the run."""
    monkeypatch.setattr(
        transaction, "_SET_LOCK_TIMEOUT", transaction._SET_LOCK_TIMEOUT.replace("10s", "200ms")
    )
    shorter = RECORD_OUTCOMES.replace("10s", "200ms")
    monkeypatch.setattr(transitions, "RECORD_OUTCOMES", shorter)
    engine.clear_compiled_cache()

    with Session(engine) as other:
        other.get_one(TaskResult, run_id, with_for_update=True)
        for do in (
            lambda: claim(session, run_id, process_id=process_id, token=uuid4()),
            lambda: finish(session, run_id),
        ):
            with pytest.raises(OperationalError, match="lock timeout") as caught:
                do()
            assert is_outage(caught.value)
    assert finish(session, run_id)
    assert session.scalar(select(func.current_setting("lock_timeout"))) == "0"
    assert session.get_one(TaskResult, run_id).state == RunState.SUCCEEDED
    session.rollback()
    engine.clear_compiled_cache()


@pytest.mark.databases("sqlite")
def test_others_can_not_write_meanwhile_on_sqlite(
    database_url: URL, session: Session, make_task: MakeTask
) -> None:
    """From the beginning, so that what the block reads stays true."""
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
    """With SQLAlchemy's recipe for the driver, a transaction has already begun."""

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
