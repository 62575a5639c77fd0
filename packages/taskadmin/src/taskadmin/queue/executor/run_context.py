"""Create the ``Run`` that a job receives, and store its progress."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Session

from ...jobs import Progress, Redaction, Run
from ...store.runs import progress
from ...store.runs.outcome_columns import TakenRun
from .calling import MakeRun
from .claiming import TAKE_SECONDS
from .retrying import with_retries


def run_maker(session: Session, run: TakenRun, token: UUID) -> MakeRun:
    """Return a function that creates the ``Run`` for a job that takes it.

    Args:
        token: Token of the delivery that has taken the run.
    """

    def make(redact: Redaction) -> Run:
        earlier = None
        if run.attempts > 1:
            earlier = with_retries(
                session,
                lambda: progress.earlier_progress(session, run.id),
                what=f"Reading the progress of run {run.id}",
                seconds=TAKE_SECONDS,
            )

        def save(reported: Progress) -> None:
            progress.save_progress(session, run.id, token if run.claimed else None, reported)

        return Run(
            task_id=run.task_id,
            run_id=run.id,
            launch_id=run.launch_id,
            attempt=run.attempts,
            due_at=run.due_at,
            sink=save,
            redact=redact,
            earlier=earlier,
        )

    return make
