"""Runs whose start isn't recorded: read, executed, and completed once.

Nobody else can be at them, as far as their messages tell; whoever was there all the same and
comes second changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Interval,
    Text,
    Update,
    and_,
    bindparam,
    column,
    select,
    text,
    update,
)
from sqlalchemy.orm import Session

from ..models import RunState, TaskResult
from .clock import now, statement_now
from .dialect import is_one_of
from .outcome import Outcome
from .run_updates import (
    OUTCOME,
    RUN,
    RUNS,
    is_recorded,
    log_entry,
    outcome_columns,
    update_run,
)
from .transaction import (
    end_reading,
    ledger_transaction,
    look_up_by_id,
    single_reading,
    single_statement,
    waits_shortly,
)


class OpenRun(NamedTuple):
    """A run that a message means and that nobody has finished."""

    task_id: int
    launch_id: int
    job: str
    task_params: dict[str, Any]
    attempts: int
    publishes: int
    #: Somebody had it before, and may still bring a result.
    token: UUID | None


_OPEN_RUN = tuple(RUN[name] for name in OpenRun._fields)
_FIND_OPEN_RUN = select(*_OPEN_RUN).where(
    RUN.id == bindparam("run_id"),
    RUN.due_at == bindparam("due_at"),
    RUN.state == RunState.QUEUED,
)


def open_run(session: Session, run_id: int, due_at: datetime) -> OpenRun | None:
    """The queued run that a message means; None if it isn't queued, is deleted or another one.

    Ids alone could be reused by a restored database: the due time must match too.
    The transaction ends here, so that none is open while the job runs.
    """
    with single_reading(session) as database:
        row = database.execute(_FIND_OPEN_RUN, {"run_id": run_id, "due_at": due_at}).one_or_none()
    return None if row is None else OpenRun(*row)


def open_runs(session: Session, run_ids: Collection[int]) -> dict[tuple[int, datetime], OpenRun]:
    """What ``open_run`` finds for each of many runs, by id and due time."""
    look_up_by_id(session)
    if session.get_bind().dialect.name == "postgresql":
        found = {
            (run_id, due_at): OpenRun(
                task_id, launch_id, job, params, attempts, publishes, token and UUID(token)
            )
            for due_at, launch_id, job, runs in session.execute(
                _OPEN_RUNS, {"ids": _array(run_ids)}
            )
            for run_id, task_id, params, attempts, publishes, token in json.loads(runs)
        }
    else:
        rows = session.execute(
            select(RUN.id, RUN.due_at, *_OPEN_RUN).where(
                RUN.id.in_(run_ids), RUN.state == RunState.QUEUED
            )
        )
        found = {(row[0], row[1]): OpenRun(*row[2:]) for row in rows}
    end_reading(session)
    return found


#: One text for all runs of a launch is read several times as fast as seven columns of each.
_OPEN_RUNS = text(
    """
    SELECT due_at, launch_id, job, CAST(
        json_agg(json_build_array(id, task_id, task_params, attempts, publishes, token)) AS text
    ) AS runs
    FROM taskadmin_task_result
    WHERE id = ANY(CAST(:ids AS bigint[])) AND state = 'queued'
    GROUP BY due_at, launch_id, job
    """
).columns(TaskResult.due_at, TaskResult.launch_id, TaskResult.job, column("runs", Text))


def complete_unclaimed(
    session: Session, run_id: int, due_at: datetime, token: UUID, outcome: Outcome
) -> bool:
    """Record the outcome of a run whose start wasn't recorded; False if it isn't queued any more.

    Args:
        token: Made for this delivery; tells a repetition of this statement from a stranger.
    """
    with single_statement(session) as database:
        done = _finish_unclaimed(database, run_id, due_at, token, outcome)
    return done or is_recorded(session, run_id, token)


def _finish_unclaimed(
    database: Session | Connection, run_id: int, due_at: datetime, token: UUID, outcome: Outcome
) -> bool:
    given = {
        "run_id": run_id,
        "given_due_at": due_at,
        "given_state": outcome.state,
        "given_token": token,
        **{f"given_{name}": value for name, value in outcome_columns(outcome).items()},
    }
    bind = database if isinstance(database, Connection) else database.get_bind()
    if bind.dialect.name == "postgresql":
        statement = _FINISH_UNCLAIMED
        given["given_elapsed"] = outcome.elapsed
    else:  # has no intervals to reckon with
        statement = _FINISH_UNCLAIMED_AT
        given["given_end"] = moment = now(database)
        given["given_start"] = moment - outcome.elapsed
    done: CursorResult[Any] = database.execute(statement, given)  # type: ignore[assignment]
    return done.rowcount == 1


class Success(NamedTuple):
    """A run whose start wasn't recorded, and that succeeded.

    It was found by its due time, too: that isn't asked again.
    """

    run_id: int
    due_at: datetime
    outcome: Outcome


def complete_together(session: Session, done: Sequence[Success], token: UUID) -> set[int]:
    """Record successes as ``complete_unclaimed`` does, in one transaction; the ids it recorded.

    Args:
        token: Made for this delivery of them; tells a repetition of this from a stranger.
    """
    ids = {one.run_id for one in done}
    with ledger_transaction(session, by_id=True):
        if session.get_bind().dialect.name == "postgresql":
            count = session.scalar(_COMPLETE_TOGETHER, _in_columns(done, token, now(session)))
        else:
            count = sum(
                _finish_unclaimed(session, one.run_id, one.due_at, token, one.outcome)
                for one in done
            )
    return ids if count == len(ids) else _recorded_of(session, ids, token)


#: In order of their ids, as everybody changes them, so that no two wait for each other. The ids
#: are there twice: without statistics PostgreSQL expects one row of this state, and would compare
#: each row of the table with each of these.
_COMPLETE_TOGETHER = text(
    """
    WITH done AS (
        UPDATE taskadmin_task_result AS run
        SET state = 'succeeded', attempts = 1, token = :token, worker = :worker,
            started_at = CAST(:moment AS timestamptz) - given.elapsed * interval '1 second',
            finished_at = :moment, result = given.result, output = CAST(given.output AS json)
        FROM unnest(
            CAST(:ids AS bigint[]), CAST(:elapsed AS double precision[]),
            CAST(:results AS double precision[]), CAST(:outputs AS text[])
        ) AS given (id, elapsed, result, output)
        WHERE run.id = given.id AND run.id = ANY(CAST(:ids AS bigint[]))
            AND run.state = 'queued' AND run.token IS NULL AND run.attempts = 0
        RETURNING 1
    )
    SELECT count(*) FROM done
    """
)


def _in_columns(done: Sequence[Success], token: UUID, moment: datetime) -> dict[str, Any]:
    ordered = sorted(done, key=attrgetter("run_id"))
    outcomes = [one.outcome for one in ordered]
    outputs = [one.output for one in outcomes]
    return {
        "token": token,
        "worker": outcomes[0].worker,
        "moment": moment,
        "ids": _array([one.run_id for one in ordered]),
        "elapsed": _array([one.elapsed.total_seconds() for one in outcomes]),
        "results": _array([one.result for one in outcomes]),
        # Shorter than the others, the rest of it is NULL.
        "outputs": [None if one is None else json.dumps(one) for one in outputs]
        if any(one is not None for one in outputs)
        else [],
    }


def _array(numbers: Collection[float | None]) -> str:
    """An array as PostgreSQL reads it; psycopg takes twenty times as long to write one."""
    texts = ["NULL" if one is None else _digits(one) for one in numbers]
    return f"{{{','.join(texts)}}}"


def _digits(number: float) -> str:
    # A subclass may write itself otherwise: an enumeration, a number of NumPy.
    return float.__repr__(number) if isinstance(number, float) else int.__repr__(number)


def retry_unclaimed(
    session: Session,
    run_id: int,
    due_at: datetime,
    token: UUID,
    outcome: Outcome,
    delay: timedelta,
) -> bool:
    """The same for a run whose start wasn't recorded; from now on it is claimed."""
    with ledger_transaction(session):
        moment = now(session)
        entry = log_entry(1, moment - outcome.elapsed, moment, outcome)
        done = update_run(
            session,
            _untouched(run_id, due_at),
            attempts=1,
            token=token,
            started_at=moment - outcome.elapsed,
            worker=outcome.worker,
            not_before=moment + delay,
            attempt_log=[entry],
        )
    return done or _has_token(session, run_id, token)


def _untouched(run_id: Any, due_at: Any) -> ColumnElement[bool]:
    return and_(
        RUN.id == run_id,
        RUN.due_at == due_at,
        RUN.state == RunState.QUEUED,
        RUN.token.is_(None),
        RUN.attempts == 0,
    )


def _finishing(started_at: ColumnElement[datetime], finished_at: ColumnElement[datetime]) -> Update:
    return (
        update(RUNS)
        .where(_untouched(bindparam("run_id"), bindparam("given_due_at")), waits_shortly())
        .values(
            state=bindparam("given_state"),
            attempts=1,
            token=bindparam("given_token"),
            started_at=started_at,
            finished_at=finished_at,
            **{name: bindparam(f"given_{name}") for name in OUTCOME},
        )
    )


_FINISH_UNCLAIMED = _finishing(
    statement_now() - bindparam("given_elapsed", type_=Interval), statement_now()
)
_FINISH_UNCLAIMED_AT = _finishing(bindparam("given_start"), bindparam("given_end"))


def _recorded_of(session: Session, run_ids: Collection[int], token: UUID) -> set[int]:
    """Which of these runs this very delivery finished, when its statement was done before."""
    if not run_ids:
        return set()
    found = session.scalars(
        select(TaskResult.id).where(
            is_one_of(session, TaskResult.id, run_ids),
            TaskResult.token == token,
            TaskResult.state.in_([RunState.SUCCEEDED, RunState.FAILED]),
        )
    ).all()
    session.rollback()
    return set(found)


def _has_token(session: Session, run_id: int, token: UUID) -> bool:
    found = session.execute(
        select(TaskResult.id).where(TaskResult.id == run_id, TaskResult.token == token)
    ).scalar()
    session.rollback()
    return found is not None
