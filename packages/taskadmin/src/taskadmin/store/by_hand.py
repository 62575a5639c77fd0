"""Launches that a person asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..jobs import Job
from ..models import Launch, LaunchKind, LaunchState, Task
from .clock import now
from .launches import OWNERSHIP
from .results import insert_runs
from .transaction import ledger_transaction


class ManualLaunch(NamedTuple):
    """A person's launch and how many runs it queued."""

    launch_id: int
    runs: int
    #: False if the same click launched before.
    new: bool


def launch_by_hand(
    session: Session,
    task_ids: Sequence[int],
    *,
    requested_by: int,
    request_key: UUID,
    owner: UUID,
    jobs: Mapping[str, Job],
) -> ManualLaunch:
    """Queue one run for each of *task_ids*, enabled or not, and commit.

    The launch belongs to *owner*, who sends it and calls ``finish_launch``, or
    ``release`` when the broker is away.

    Args:
        request_key: Made with the form; the same key again launches nothing.
    """
    try:
        with ledger_transaction(session):
            moment = now(session)
            launch = Launch(
                kind=LaunchKind.MANUAL,
                state=LaunchState.OPENING,
                requested_by=requested_by,
                request_key=request_key,
                owner=owner,
                owner_until=moment + OWNERSHIP,
                opened_at=moment,
            )
            session.add(launch)
            session.flush()
            tasks = session.scalars(
                select(Task)
                .where(Task.id.in_(task_ids), Task.deleted_at.is_(None))
                .order_by(Task.id)
                .with_for_update(read=True, key_share=True)
            ).all()
            written = insert_runs(session, tasks, launch_id=launch.id, due_at=moment, jobs=jobs)
            # The due time of a task may be taken by its slot in the same microsecond.
            while len(written.task_ids) < len(tasks):
                moment += timedelta(microseconds=1)
                rest = [task for task in tasks if task.id not in written.task_ids]
                written += insert_runs(session, rest, launch_id=launch.id, due_at=moment, jobs=jobs)
            launch.queued, launch.skipped = written.queued, written.skipped
            launch_id = launch.id
    except IntegrityError:
        before = session.scalar(select(Launch).where(Launch.request_key == request_key))
        if before is None:
            raise
        return ManualLaunch(before.id, before.queued, new=False)
    return ManualLaunch(launch_id, written.queued, new=True)
