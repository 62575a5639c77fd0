"""Columns of exported runs."""

from __future__ import annotations

from sqlalchemy import Connection, Engine

from ...jobs.arguments.masking import AUTHOR_ID
from ...models import TaskResult
from ...store.reports.matching_runs import MatchingRuns, runs_in_batches
from ...store.tasks.arguments import arguments_of
from ...values.showable import showable
from ..flask_admin.export import Batches, own_session

#: Columns of the export; none of them can hold a secret.
RUN_COLUMNS = (
    *("id", "task_id", "task", "job", "arguments", "author_id", "state", "reason"),
    *("result", "output", "error_type", "error", "launch_id", "retry_of"),
    *("due_at", "queued_at", "started_at", "finished_at", "waited_seconds", "ran_seconds"),
    *("attempts", "max_attempts", "queue", "worker"),
)


def exported_runs(bind: Engine | Connection, which: MatchingRuns) -> Batches:
    """All runs that match, the newest first."""
    with own_session(bind) as session:
        for runs in runs_in_batches(session, which):
            yield [_row(run) for run in runs]


def _row(run: TaskResult) -> dict[str, object]:
    more = {
        "task": str(run.task),
        "arguments": arguments_of(run),
        "author_id": run.task_params.get(AUTHOR_ID),
        "waited_seconds": run.waited,
        "ran_seconds": run.ran,
    }
    return {
        name: showable(more[name] if name in more else getattr(run, name)) for name in RUN_COLUMNS
    }
