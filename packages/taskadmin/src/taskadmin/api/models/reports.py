"""Jobs, reviews, processes, queues and the audit trail as the API sends them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from ...models import ProcessKind
from ...service import Scope
from ...store.people.audit import AUDIT_ACTIONS, AuditLine
from ...values.ids import MAX_BIG_ID
from ..cursors import PageQuery
from .fields import Link, PersonOut

AuditAction = StrEnum("AuditAction", AUDIT_ACTIONS)  # type: ignore[misc]  # not a literal


class MeOut(PersonOut):
    """Who sends the request, and what it may do."""

    is_superuser: bool
    can_review_tasks: bool
    scopes: list[Scope]


class JobOut(BaseModel):
    """A job: code that tasks run."""

    name: str
    description: str
    queue: str
    arguments: dict[str, Any] = Field(description="JSON Schema of the arguments.")
    masked: list[str] = Field(description="Arguments that are never sent.")
    max_attempts: int
    backoff_seconds: float
    soft_time_limit_seconds: float | None
    time_limit_seconds: float


class Jobs(BaseModel):
    """All registered jobs, by name."""

    items: list[JobOut]


class ReviewLine(BaseModel):
    """A user's tasks."""

    user: PersonOut
    is_active: bool
    tasks: int
    last_run: datetime | None
    last_run_is_known: bool = Field(description="False if there may be an older run.")
    failures: int = Field(description="Of the last 24 hours, as far as they were counted.")


class ReviewPage(BaseModel):
    """A page of users, by username."""

    items: list[ReviewLine]
    next: Link
    is_capped: bool = Field(description="Whether more runs failed than were counted.")


class ProcessOut(BaseModel):
    """A process that works for taskadmin."""

    id: UUID
    kind: ProcessKind
    name: str
    host: str
    pid: int
    queues: list[str]
    concurrency: int
    started_at: datetime
    seen_at: datetime
    is_alive: bool = Field(description="Whether its last heartbeat is younger than the lease.")
    runs: int = Field(description="Runs that it is executing.")
    trouble: str | None


class ProcessList(BaseModel):
    """Beat, launchers and workers that haven't ended."""

    items: list[ProcessOut]
    more: bool = Field(description="Whether there are more than these.")


class QueueOut(BaseModel):
    """A queue, as the broker and the database know it."""

    name: str
    messages: int | None = Field(description="Null if the broker didn't tell.")
    consumers: int | None = Field(description="Null if the broker didn't tell.")
    ready: int = Field(description="Queued runs that are due.")
    later: int = Field(description="Queued runs that wait for their next attempt.")
    running: int
    oldest_ready_seconds: float | None


class Queues(BaseModel):
    """All known queues."""

    items: list[QueueOut]
    broker: Literal["answers", "can't tell", "away", "no queue"]


class AuditQuery(PageQuery):
    """Which entries."""

    actor: int | None = Field(None, ge=1, le=MAX_BIG_ID, description="A user's id.")
    action: AuditAction | None = None
    kind: Literal["task", "run", "user", "channel", "page"] | None = None
    id: int | None = Field(None, ge=1, le=MAX_BIG_ID, description="The subject's id.")
    text: str | None = Field(None, max_length=200)


class AuditPage(BaseModel):
    """A page of entries, newest first."""

    items: list[AuditLine]
    next: Link
