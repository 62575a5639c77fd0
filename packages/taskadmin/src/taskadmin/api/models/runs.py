"""Runs and launches as the API takes and sends them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from ...models import LaunchKind, LaunchState, RunState
from ...service import Sending
from ...values.ids import MAX_BIG_ID, MAX_ID
from ..cursors import PageQuery
from .fields import Body, Json, Link, PersonOut, Whole

_SEARCH = "Words and qualifiers, as in the search of the page."


class TaskName(BaseModel):
    """A task's id and name."""

    id: int
    name: str | None


class RunLine(BaseModel):
    """A run, without large values."""

    id: int
    task: TaskName
    launch_id: int
    job: str
    queue: str
    state: RunState
    reason: str | None = Field(description="Why it was skipped or cancelled.")
    due_at: datetime
    queued_at: datetime
    not_before: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    attempts: int
    max_attempts: int
    retry_of: int | None
    worker: str | None
    result: float | None = Field(description="The job's return value, if it is a number.")
    error_type: str | None


class Attempt(BaseModel):
    """One attempt of a run that was tried more than once, or failed."""

    number: int
    started_at: datetime | None
    ended_at: datetime | None
    worker: str | None
    error_type: str | None
    error: str | None


class RunOut(RunLine):
    """A run."""

    arguments: dict[str, Any] = Field(description="By name; secrets are masked.")
    output: Json = Field(description="The job's return value.")
    error: str | None = Field(description="The traceback; secrets are masked.")
    attempt_log: list[Attempt]
    progress: float | None = Field(description="From 0 to 1, if the job reports it.")
    lines: list[str] = Field(description="The job's newest log lines, oldest first.")


class RunLines(BaseModel):
    """A page of runs, newest first."""

    items: list[RunLine]
    next: Link


class RunQuery(PageQuery):
    """Which runs."""

    search: str | None = Field(None, max_length=200, description=_SEARCH)
    state: RunState | None = None
    task: int | None = Field(None, ge=1, le=MAX_ID)
    launch: int | None = Field(None, ge=1, le=MAX_BIG_ID)


class StartBody(Body):
    """A run of a task, now."""

    arguments: dict[str, Any] | None = Field(
        None, description="Replace all of the task's arguments, for this run."
    )


class StartedOut(BaseModel):
    """What was started."""

    launch_ids: list[int]
    run_ids: list[int] = Field(description="The newest 100.")
    queued: int
    skipped: int
    sending: Sending
    is_repeated: bool = Field(description="Whether all of it had been started before.")


class CancelledOut(BaseModel):
    """What was cancelled."""

    cancelled: int
    answers: dict[str, int] = Field(
        description="Number of running jobs by what their workers answered."
    )


class RunFilter(Body):
    """Which runs an action is for: all that match each key; without keys, all."""

    search: str | None = Field(None, max_length=200, description=_SEARCH)
    state: RunState | None = None
    task: Whole | None = Field(None, ge=1, le=MAX_ID)
    launch: Whole | None = Field(None, ge=1, le=MAX_BIG_ID)


class RunsBody(Body):
    """An action on all runs that match."""

    filter: RunFilter
    dry_run: bool = Field(False, description="Only count.")


class LaunchQuery(PageQuery):
    """Which launches."""

    kind: LaunchKind | None = None
    only: str | None = Field(None, pattern="^(open|missed)$", description="`open` or `missed`.")


class LaunchOut(BaseModel):
    """A launch: one fan-out of runs."""

    id: int
    kind: LaunchKind
    state: LaunchState
    slot: datetime | None
    reason: str | None
    requested_by: PersonOut | None
    opened_at: datetime
    published_at: datetime | None
    closed_at: datetime | None
    queued: int
    skipped: int
    runs_by_state: dict[str, int] = Field(
        description="Of a large launch, only the states that are cheap to count."
    )


class LaunchPage(BaseModel):
    """A page of launches, newest first."""

    items: list[LaunchOut]
    next: Link
