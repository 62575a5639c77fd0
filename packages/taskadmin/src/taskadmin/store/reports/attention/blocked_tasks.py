"""Active tasks that can't run: their job, their arguments or their schedule is to blame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import and_, select, union_all
from sqlalchemy.orm import Session

from ....jobs import all_jobs
from ....models import GENERATE_RANDOM_NUMBER, Task, TaskSchedule
from ...database.cache import TimedCache
from ...runs.results import why_not
from ..matching_tasks import MatchingTasks, TaskState

#: Number of newest tasks whose arguments are checked.
CHECKED_TASKS = 1_000
#: Ids of tasks that didn't fit: a job's arguments change only when the process is replaced. Those
#: found are checked again each time.
_UNFIT: TimedCache[Sequence[int]] = TimedCache(seconds=60)
_IS_ACTIVE = and_(Task.enabled.is_(True), Task.deleted_at.is_(None))


class BlockedTask(NamedTuple):
    """A task, and why it can't run."""

    task_id: int
    task: str
    reason: str


class BlockedTasks(NamedTuple):
    """Tasks by what is to blame, each in the order of their ids."""

    #: The job isn't registered, or the arguments don't fit it.
    by_job: Sequence[BlockedTask]
    #: The schedule can't be computed.
    by_schedule: Sequence[BlockedTask]


def blocked_tasks(session: Session, *, limit: int) -> BlockedTasks:
    """Return up to *limit* active tasks of each kind; one query, once a minute two."""
    unfit = _UNFIT.get(session, "")
    if unfit is None:
        unfit = [*_unfit(session)]
        _UNFIT.set(session, "", unfit)
    orphaned = MatchingTasks(states={TaskState.ORPHANED}, known_jobs=all_jobs().keys())
    ids = select(Task.id).where(_IS_ACTIVE).order_by(Task.id)
    # One list of few ids, which are looked up by the primary key.
    candidates = union_all(
        ids.where(*orphaned.conditions()).limit(limit).subquery().select(),
        ids.join(TaskSchedule)
        .where(TaskSchedule.error.is_not(None))
        .limit(limit)
        .subquery()
        .select(),
        ids.where(Task.id.in_(unfit)).limit(limit).subquery().select(),
    )
    found = session.execute(
        select(Task, TaskSchedule.error)
        .outerjoin(TaskSchedule)
        .where(_IS_ACTIVE, Task.id.in_(candidates))
        .order_by(Task.id)
    ).all()
    reasons = [(task, why_not(task, all_jobs().get(task.job))) for task, _ in found]
    return BlockedTasks(
        [BlockedTask(task.id, str(task), reason) for task, reason in reasons if reason][:limit],
        [BlockedTask(task.id, str(task), error) for task, error in found if error][:limit],
    )


def _unfit(session: Session) -> Iterator[int]:
    jobs = all_jobs()
    # A constraint of the table checks the arguments of the built-in job.
    checked = sorted(jobs.keys() - {GENERATE_RANDOM_NUMBER})
    if not checked:
        return
    newest = select(Task).where(_IS_ACTIVE, Task.job.in_(checked)).order_by(Task.id.desc())
    # In parts, because arguments may be large.
    parts = newest.limit(CHECKED_TASKS).execution_options(yield_per=100)
    for task in session.scalars(parts):
        if why_not(task, jobs[task.job]) is not None:
            yield task.id
