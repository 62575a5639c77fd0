"""All changes of a run's state after its row was inserted (``results``, ``missed``).

docs/protocol.md has the states, and which rows each function changes.

Final states never change. Every UPDATE names the expected state and, where there is one, the
expected token; a later write matches no row. So repeated messages, late writers and repeated
statements are harmless. Workers send single statements, each its own transaction, which can be
repeated, also after a deadlock. Launchers skip locked rows (``lock_free``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Update,
    and_,
    any_,
    bindparam,
    case,
    cast,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from ...models import Process, ProcessEnd, RunState
from ..database.clock import database_now, now
from ..database.dialect import is_one_of
from ..database.schema import table_prefix, text_with
from ..database.transaction import changed_rows, ledger_transaction, lock_timeout, single_statement
from .attempt_log import lost_attempt, lost_with_process, uncharged
from .open_runs import IS_OPEN_RUN, RUN, RUN_TABLE, TOKEN, is_due
from .outcome_columns import (
    RECORD_OUTCOMES,
    FinishedRun,
    TakenRun,
    as_array,
    in_columns,
    in_row,
    is_logged,
)
from .results import UnsentRun

# Claiming

_PROCESS = bindparam("process_id", type_=RUN.process_id.type)


def _claiming(which: ColumnElement[bool]) -> Update:
    lives = select(Process.id).where(Process.id == _PROCESS, Process.gone_at.is_(None)).exists()
    return (
        update(RUN_TABLE)
        .where(which, IS_OPEN_RUN, lives, lock_timeout())
        .values(
            state=RunState.RUNNING,
            token=TOKEN,
            process_id=_PROCESS,
            worker=bindparam("worker"),
            started_at=database_now(),
            not_before=None,
            # Only sends that no worker answered count against a run.
            publishes=0,
            attempts=RUN.attempts + case((RUN.token.is_distinct_from(TOKEN), 1), else_=0),
        )
        .returning(*(RUN[name] for name in TakenRun._fields if name != "claimed"))
    )


_CLAIM = {
    "postgresql": _claiming(RUN.id == any_(cast(bindparam("ids"), postgresql.ARRAY(BigInteger)))),
    "sqlite": _claiming(RUN.id.in_(bindparam("ids", expanding=True))),
}


def claim(
    session: Session, run_ids: Collection[int], *, token: UUID, process_id: UUID, worker: str
) -> list[TakenRun]:
    """Claim queued runs for one delivery of their message, and return those that were claimed.

    The same token claims the same runs again and charges them once, so the statement can be
    repeated if its response was lost.

    Args:
        run_ids: Ids of runs that were just read, with their due times checked.
        token: Made for this delivery.
        process_id: The executing process; one that is marked gone claims nothing.
    """
    dialect = session.get_bind().dialect.name
    given = {
        "ids": as_array(run_ids) if dialect == "postgresql" else run_ids,
        "token": token,
        "process_id": process_id,
        "worker": worker,
    }
    with single_statement(session) as database:
        rows = database.execute(_CLAIM[dialect], given).all()
    return [TakenRun._make((*row, True)) for row in rows]


# Finishing


def finish(session: Session, done: Sequence[FinishedRun], token: UUID) -> set[int]:
    """Record outcomes of runs and commit; return the ids of those that this delivery owned.

    A run that was taken back, but not claimed again, still has the token: its late outcome counts.

    Args:
        token: The delivery's token, which also identifies a repetition of this statement.
    """
    ids = {one.run.id for one in done}
    ordered = sorted(done, key=lambda one: one.run.id)
    if session.get_bind().dialect.name != "postgresql":
        with ledger_transaction(session):
            moment = now(session)
            count = sum(_finish_row(session, one, token, moment) for one in ordered)
    else:
        given = in_columns(ordered, token, _moment_for(session, ordered))
        statement = text_with(RECORD_OUTCOMES, table_prefix(session))
        with single_statement(session) as database:
            count = database.execute(statement, given).scalar_one()
    return ids if count == len(ids) else _recorded_of(session, ids, token)


def _moment_for(session: Session, done: Iterable[FinishedRun]) -> datetime | None:
    """Return the database's time if an attempt log needs it."""
    return now(session) if any(map(is_logged, done)) else None


def _finish_row(session: Session, one: FinishedRun, token: UUID, moment: datetime) -> int:
    run = one.run
    which: tuple[ColumnElement[bool], ...] = (RUN.state == RunState.QUEUED, RUN.token.is_(None))
    if run.claimed:
        which = (RUN.state.in_([RunState.RUNNING, RunState.QUEUED]), RUN.token == token)
    else:
        which = (*which, RUN.attempts == 0)
    record = update(RUN_TABLE).where(RUN.id == run.id, *which)
    return changed_rows(session, record.values(token=token, **in_row(one, moment)))


def _recorded_of(session: Session, run_ids: Collection[int], token: UUID) -> set[int]:
    """Return the runs that an earlier, repeated statement of this delivery recorded."""
    recorded = RunState.SUCCEEDED, RunState.FAILED, RunState.QUEUED
    run_ids_of_token = session.scalars(
        select(RUN.id).where(
            is_one_of(session, RUN.id, run_ids), RUN.token == token, RUN.state.in_(recorded)
        )
    ).all()
    session.rollback()
    return set(run_ids_of_token)


# Giving back


def give_back(session: Session, run_ids: Collection[int], token: UUID) -> list[UnsentRun]:
    """Queue runs whose jobs haven't begun here again, commit, and return the runs to send.

    No attempt is charged. The next worker must claim them, since their first message may still
    exist.
    """
    mine = and_(RUN.state == RunState.RUNNING, RUN.token == token)
    with single_statement(session) as database:
        rows = database.execute(
            update(RUN_TABLE)
            .where(
                is_one_of(session, RUN.id, run_ids),
                or_(mine, and_(RUN.state == RunState.QUEUED, is_due())),
                lock_timeout(),
            )
            .values(
                state=RunState.QUEUED,
                attempts=RUN.attempts - case((RUN.state == RunState.RUNNING, 1), else_=0),
                token=case((RUN.state == RunState.RUNNING, None), else_=RUN.token),
                process_id=None,
                publishes=RUN.publishes + 1,
                # The same time for all, so that they are sent in order.
                not_before=select(database_now()).scalar_subquery(),
            )
            .returning(*(RUN[name] for name in UnsentRun._fields))
        ).all()
    return sorted(UnsentRun(*row) for row in rows)


def fail_worker(
    session: Session, run_id: int, token: UUID, *, problem: str, lost_attempts: int
) -> bool:
    """Charge an attempt whose worker failed, not its job; return False if *token* lost the run.

    The run is queued again, or failed if the job's attempts and *lost_attempts* are used up.
    """
    with ledger_transaction(session):
        row = session.execute(
            select(*_OF_LOST)
            .where(RUN.id == run_id, RUN.token == token, RUN.state == RunState.RUNNING)
            .with_for_update()
        ).one_or_none()
        if row is None:
            return False
        allowed = max(row.max_attempts, lost_attempts)
        change = lost_attempt(row, now(session), "WorkerFailed", problem, allowed)
        del change["run_id"]
        return (
            changed_rows(session, update(RUN_TABLE).where(RUN.id == run_id).values(**change)) == 1
        )


# Runs of processes that are gone

#: Columns that ``take_back`` and ``fail_worker`` need.
_OF_LOST = tuple(
    RUN[name] for name in ("id", "attempts", "max_attempts", "started_at", "worker", "attempt_log")
)


def take_back(session: Session, *, limit: int, lost_attempts: int) -> list[RunState]:
    """Queue running runs of processes that are gone, or fail those without attempts left.

    A run isn't charged if its worker was told to stop, or if it was claimed together with others:
    it is unknown which of them began, so each is sent alone from now on. A run over its job's time
    limit has the job's attempts; one whose process died has *lost_attempts*, or the job's attempts
    if these are more.

    Args:
        session: Inside a ``ledger_transaction``.
        limit: Maximum rows; more than are claimed together.

    Returns:
        The new state of each run.
    """
    gone = (Process.gone_at.is_not(None), Process.cleared.is_(False))
    rows = session.execute(
        select(*_OF_LOST, RUN.token, Process.ending, Process.reason)
        .join(Process, Process.id == RUN.process_id)
        .where(RUN.finished_at.is_(None), RUN.state == RunState.RUNNING, *gone)
        .order_by(RUN.token, RUN.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=RUN_TABLE)
    ).all()
    together = Counter(row.token for row in rows)
    if len(rows) == limit and len(together) > 1:
        # The last token may have more rows beyond the limit.
        rows = [row for row in rows if row.token != rows[-1].token]
    moment = now(session)
    changes = [
        uncharged(row, moment)
        if row.ending == ProcessEnd.STOPPED or together[row.token] > 1
        else lost_with_process(row, moment, lost_attempts)
        for row in rows
    ]
    if changes:
        session.connection().execute(_TAKE_BACK, changes)
    return [change["state"] for change in changes]


_TAKE_BACK = (
    update(RUN_TABLE)
    .where(RUN.id == bindparam("run_id"))
    .values(
        {
            name: bindparam(name)
            for name in (
                *("state", "attempts", "process_id", "not_before", "finished_at"),
                *("error_type", "error", "attempt_log"),
            )
        }
    )
)


# Ended by launchers and people


def give_up(session: Session, run_ids: Iterable[int], *, error: str) -> int:
    """Fail queued runs that no worker ever claimed, commit, and return how many."""
    ids = sorted(run_ids)
    if not ids:
        return 0
    with ledger_transaction(session):
        ended = {"finished_at": database_now(), "error_type": "NeverClaimed", "error": error}
        return changed_rows(
            session,
            update(RUN_TABLE)
            .where(RUN.id.in_(lock_free(session, ids)), RUN.state == RunState.QUEUED)
            .values(state=RunState.FAILED, **ended),
        )


def cancel(session: Session, run_ids: Collection[int], *, reason: str) -> None:
    """Cancel locked, open runs, inside a ``ledger_transaction``."""
    session.execute(
        update(RUN_TABLE)
        .where(is_one_of(session, RUN.id, run_ids))
        .values(
            state=RunState.CANCELLED,
            reason=reason,
            finished_at=now(session),
            process_id=None,
            not_before=None,
        )
    )


def lock_free(session: Session, run_ids: Collection[int]) -> Sequence[int]:
    """Lock the runs that aren't locked; a worker may be changing the others."""
    return session.scalars(
        select(RUN.id)
        .where(is_one_of(session, RUN.id, run_ids))
        .order_by(RUN.id)
        .with_for_update(skip_locked=True)
    ).all()
