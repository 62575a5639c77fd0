"""Runs that a worker has taken and finished, and their outcomes as rows take them."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from ...models import RunState
from .attempt_log import with_attempt
from .outcome import Outcome


class TakenRun(NamedTuple):
    """A run that a delivery of its message executes."""

    id: int
    due_at: datetime
    task_id: int
    launch_id: int
    job: str
    task_params: dict[str, Any]
    #: Including this one, which is the first of a run that isn't claimed.
    attempts: int
    max_attempts: int
    started_at: datetime | None = None
    attempt_log: Sequence[Any] | None = None
    claimed: bool = False


class FinishedRun(NamedTuple):
    """A run whose job was called, with its outcome."""

    run: TakenRun
    outcome: Outcome
    #: Delay before the next attempt; None if this was the last one.
    retry_delay: timedelta | None = None

    @property
    def state(self) -> RunState:
        return self.outcome.state if self.retry_delay is None else RunState.QUEUED


#: Records the outcomes of ``in_columns`` by one statement of PostgreSQL, and counts them.
#: Each row finds its values by its id's position in the sorted ids. A join would be planned for few
#: rows if a table has just grown and has no statistics: a nested loop over all pairs.
RECORD_OUTCOMES = """
    WITH done AS (
        UPDATE {prefix}taskadmin_task_result AS run
        SET (
            state, attempts, started_at, finished_at, not_before,
            result, output, error_type, error, attempt_log
        ) = (
            SELECT CASE WHEN delay IS NOT NULL THEN 'queued'
                    WHEN error_type IS NOT NULL THEN 'failed' ELSE 'succeeded' END,
                (CAST(:attempts AS integer[]))[place],
                GREATEST(run.started_at, statement_timestamp()
                    - (CAST(:elapsed AS double precision[]))[place] * interval '1 second'),
                CASE WHEN delay IS NULL THEN statement_timestamp() END,
                statement_timestamp() + delay * interval '1 second',
                (CAST(:results AS double precision[]))[place],
                CAST((CAST(:outputs AS text[]))[place] AS json),
                error_type, (CAST(:errors AS text[]))[place],
                COALESCE(CAST((CAST(:logs AS text[]))[place] AS json), run.attempt_log)
            FROM (
                SELECT place, (CAST(:delays AS double precision[]))[place] AS delay,
                    (CAST(:error_types AS text[]))[place] AS error_type
                FROM (SELECT width_bucket(run.id, CAST(:ids AS bigint[])) AS place OFFSET 0) AS its
            ) AS given
        ), token = :token, process_id = NULL, worker = :worker
        WHERE run.id = ANY(CAST(:ids AS bigint[])) AND CASE
            WHEN run.id = ANY(CAST(:claimed AS bigint[]))
                THEN run.token = :token AND run.state IN ('running', 'queued')
            ELSE run.state = 'queued' AND run.token IS NULL AND run.attempts = 0
        END AND (SELECT set_config('lock_timeout', '10s', true)) IS NOT NULL
        RETURNING 1
    )
    SELECT count(*) FROM done
    """


def in_columns(
    ordered: Sequence[FinishedRun], token: UUID, moment: datetime | None
) -> dict[str, object]:
    """Return the parameters of ``RECORD_OUTCOMES``: arrays, ordered by run id.

    Args:
        moment: The database's time, if an attempt log needs it.
    """
    outcomes = [one.outcome for one in ordered]
    # The error of a run that is retried is only in its log.
    last = [one.outcome if one.retry_delay is None else None for one in ordered]
    return {
        "token": token,
        "worker": outcomes[0].worker,
        "ids": as_array([one.run.id for one in ordered]),
        "claimed": as_array([one.run.id for one in ordered if one.run.claimed]),
        # Not the row's attempts: it has fewer if the run was taken back without a charge.
        "attempts": as_array([one.run.attempts for one in ordered]),
        "elapsed": as_array([one.elapsed.total_seconds() for one in outcomes]),
        "delays": as_array(
            [
                None if one.retry_delay is None else one.retry_delay.total_seconds()
                for one in ordered
            ]
        ),
        "results": as_array([one.result for one in outcomes]),
        "outputs": _texts(
            [None if one.output is None else json.dumps(one.output) for one in outcomes]
        ),
        "error_types": _texts([None if one is None else one.error_type for one in last]),
        "errors": _texts([None if one is None else one.error for one in last]),
        "logs": _texts(
            [None if (log := logged(one, moment)) is None else json.dumps(log) for one in ordered]
        ),
    }


def in_row(one: FinishedRun, moment: datetime) -> dict[str, object]:
    """Return the same for one row, by column, without the token.

    Args:
        moment: The database's time.
    """
    run, outcome, again = one.run, one.outcome, one.retry_delay
    last = outcome if again is None else None
    values = {
        "state": one.state,
        "attempts": run.attempts,
        "process_id": None,
        "worker": outcome.worker,
        "started_at": began(one, moment),
        "finished_at": moment if again is None else None,
        "not_before": None if again is None else moment + again,
        "result": outcome.result,
        "output": outcome.output,
        "error_type": last and last.error_type,
        "error": last and last.error,
    }
    log = logged(one, moment)
    return values if log is None else {**values, "attempt_log": log}


def _texts(texts: list[str | None]) -> list[str | None]:
    """Return an empty array if all are NULL: PostgreSQL reads NULL beyond an array's end."""
    return texts if any(one is not None for one in texts) else []


def as_array(numbers: Collection[float | None]) -> str:
    """Format an array literal for PostgreSQL; psycopg takes twenty times as long."""
    if all(one is None for one in numbers):
        return "{}"
    texts = ["NULL" if one is None else _digits(one) for one in numbers]
    return f"{{{','.join(texts)}}}"


def _digits(number: float) -> str:
    # A subclass may have a different repr: an enumeration, a number of NumPy.
    return float.__repr__(number) if isinstance(number, float) else int.__repr__(number)


def is_logged(one: FinishedRun) -> bool:
    """Whether this attempt is logged; a run that succeeds at once needs no log."""
    return one.outcome.error_type is not None or bool(one.run.attempt_log)


def logged(one: FinishedRun, moment: datetime | None) -> list[Any] | None:
    """Return the run's log with this attempt; None if it doesn't change."""
    if moment is None or not is_logged(one):
        return None
    run = one.run
    return with_attempt(run.attempt_log, run.attempts, began(one, moment), moment, one.outcome)


def began(one: FinishedRun, moment: datetime) -> datetime:
    """Return when the job was called: later than the claim, if that was of many runs."""
    called_at = moment - one.outcome.elapsed
    return max(one.run.started_at or called_at, called_at)
