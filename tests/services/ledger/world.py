"""A site with rows of every kind, and a new run or launch for each call."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from services.rows import many_rows
from services.rows.runs import DUE
from taskadmin.jobs import all_jobs
from taskadmin.models import Launch, LaunchKind, LaunchState, ProcessKind, Task, TaskSchedule
from taskadmin.store.launches import launches, slots
from taskadmin.store.runs import results, transitions
from taskadmin.store.runs.outcome_columns import TakenRun
from taskadmin.store.upkeep import processes
from taskadmin.store.upkeep.processes import ProcessIdentity

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)


ME = ProcessIdentity(ProcessKind.WORKER, "w@host", "host", 4711, boot=UUID(int=1))


class World:
    """A site with rows of every kind, and a new run or launch for each call."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.site = many_rows.fill(session, 300)
        self.owner = uuid4()
        self.process = processes.register_process(session, ME)
        self.number = 0

    @property
    def plain_task(self) -> Task:
        """Return an unpaused task without a schedule."""
        task = self.session.scalar(
            select(Task)
            .where(Task.enabled, Task.name == "Task number 3", Task.job != "gone")
            .execution_options(populate_existing=True)
        )
        assert task is not None
        return task

    @property
    def scheduled_task(self) -> int:
        return self.session.scalars(select(TaskSchedule.task_id).limit(1)).one()

    def run(self) -> tuple[int, Any]:
        """Return id and due time of a queued run."""
        self.number += 1
        due_at = DUE + self.number * SECOND
        row = results.new_run(
            self.plain_task,
            all_jobs()["generate_random_number"],
            launch_id=self.site.launch,
            due_at=due_at,
            moment=due_at,
        )
        (written,) = results.write_runs(self.session, [row])
        self.session.commit()
        return written.id, due_at

    def claimed(self, number: int = 1) -> tuple[list[TakenRun], UUID]:
        """Return running runs of one delivery, and its token."""
        ids, token = [self.run()[0] for _ in range(number)], uuid4()
        runs = transitions.claim(
            self.session, ids, token=token, process_id=self.process, worker="w@host"
        )
        assert len(runs) == number
        return runs, token

    def claimed_id(self) -> tuple[int, UUID]:
        """Return a running run's id and token."""
        (run,), token = self.claimed()
        return run.id, token

    def slot(self) -> int:
        """Return the current slot's launch, opened after missed ones."""
        self.session.execute(
            update(Launch)
            .where(Launch.kind == LaunchKind.SLOT)
            .values(state=LaunchState.MISSED, closed_at=None, owner=None)
        )
        self.session.commit()
        launch_id = slots.open_slot(self.session, DAY.total_seconds())
        assert launch_id is not None
        return launch_id

    def owned(self) -> int:
        """Return a launch that belongs to ``owner``."""
        launch_id = self.slot()
        assert launches.take(self.session, launch_id, self.owner)
        return launch_id
