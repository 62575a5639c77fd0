"""Tasks as the API takes and sends them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, Field

from ...models import MissedRuns, Overlap
from ...schedules import ScheduleKind
from ...store.reports.matching_tasks import TaskState
from ...store.tasks.as_code.format import KEPT
from ...store.tasks.schedules import ScheduleInput
from ..cursors import PageQuery
from .fields import Body, Link, PersonOut, Whole

_ARGUMENTS = (
    f"By name, as in the job's schema. A secret is sent as `{KEPT}`, which keeps it if it is sent"
    " back."
)
_SEARCH = "Words and qualifiers, as in the search of the page."


class ScheduleBody(Body):
    """When a task is due, and what then; without any key, the common slot."""

    kind: ScheduleKind = ScheduleKind.SLOT
    every_seconds: Whole | None = Field(None, description="For kind interval.")
    cron: str | None = Field(None, max_length=200, description="For kind cron.")
    zone: str = Field("UTC", max_length=64, description="IANA name of the time zone.")
    once_at: AwareDatetime | None = Field(None, description="For kind once.")
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None
    max_runs: Whole | None = None
    missed_runs: MissedRuns = MissedRuns.ONCE
    grace_seconds: Whole = 60
    overlap: Overlap = Overlap.ALLOW
    jitter_seconds: Whole = 0
    pause_after: Whole | None = Field(None, description="Failures in a row that pause the task.")

    def as_input(self) -> ScheduleInput:
        """Convert to a ``ScheduleInput`` that isn't validated yet."""
        return ScheduleInput(**dict(self))


class ScheduleOut(BaseModel):
    """When a task is due, and what then."""

    kind: ScheduleKind
    every_seconds: int | None
    cron: str | None
    zone: str
    once_at: datetime | None
    starts_at: datetime | None
    ends_at: datetime | None
    max_runs: int | None
    missed_runs: MissedRuns
    grace_seconds: int
    overlap: Overlap
    jitter_seconds: int
    pause_after: int | None
    next_due: datetime | None = Field(
        description="Null for the common slot, while the task is paused, and after the last time."
    )


class TaskBody(Body):
    """A new task."""

    job: str = Field(max_length=100, description="Name of a registered job.")
    name: str | None = Field(None, max_length=200)
    arguments: dict[str, Any] = Field(default_factory=dict, description=_ARGUMENTS)
    schedule: ScheduleBody | None = Field(None, description="Null for the common slot.")
    paused: bool = Field(False, description="Whether it begins paused.")


class TaskPatch(Body):
    """Changes of a task; keys that are missing keep their values."""

    job: str = Field("", max_length=100)
    name: str | None = Field(None, max_length=200, description="Null for no name.")
    arguments: dict[str, Any] = Field(
        default_factory=dict, description=f"Replace all. {_ARGUMENTS}"
    )
    schedule: ScheduleBody | None = Field(
        None, description="Replaces the whole schedule; null for the common slot."
    )


class PauseOut(BaseModel):
    """Why a task is paused, by whom, and until when."""

    at: datetime | None
    by: PersonOut | None = Field(description="Null for taskadmin itself, after failures.")
    note: str | None
    until: datetime | None = Field(description="When the launcher resumes it.")


class TaskOut(BaseModel):
    """A task."""

    id: int
    name: str | None
    job: str
    is_registered: bool = Field(description="Whether its job exists, so that it can run.")
    arguments: dict[str, Any] = Field(description=_ARGUMENTS)
    schedule: ScheduleOut
    paused: PauseOut | None = Field(description="Null for an active task.")
    author: PersonOut | None
    version: int
    created_at: datetime
    updated_at: datetime


class TaskPage(BaseModel):
    """A page of tasks, newest first."""

    items: list[TaskOut]
    next: Link


class TaskQuery(PageQuery):
    """Which tasks."""

    search: str | None = Field(None, max_length=200, description=_SEARCH)
    state: TaskState | None = None


class Deleted(BaseModel):
    """What was deleted."""

    tasks: int
    results: int


class TaskFilter(Body):
    """Which tasks an action is for: all that match both; without keys, all."""

    search: str | None = Field(None, max_length=200, description=_SEARCH)
    state: TaskState | None = None


class TasksBody(Body):
    """An action on all tasks that match."""

    filter: TaskFilter
    dry_run: bool = Field(False, description="Only count.")


class PauseTasksBody(TasksBody):
    """Pause all tasks that match."""

    note: str | None = Field(None, max_length=500)
    until: AwareDatetime | None = Field(None, description="When the launcher resumes them.")


class PauseBody(Body):
    """A note and an end, both optional."""

    note: str | None = Field(None, max_length=500)
    until: AwareDatetime | None = Field(None, description="When the launcher resumes it.")


class BulkOut(BaseModel):
    """What an action on all that match did, or would do."""

    is_dry_run: bool
    matched: int
    ids: list[int] = Field(description="The first 100 of those that match.")
    changed: int = Field(description="0 for a dry run.")


class TaskEntries(BaseModel):
    """All tasks as in a file: see docs/tasks-as-code.md."""

    tasks: list[dict[str, Any]]
