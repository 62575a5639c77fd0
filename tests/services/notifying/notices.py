"""Read notices and messages, and types of the fixtures for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from taskadmin.models import (
    NOTIFY_JOB,
    EventNotice,
    NotificationChannel,
    NotificationRule,
    NotifiedEvent,
    RunState,
    Task,
    TaskResult,
)

#: Searches the channel's events; returns the launch of its message, if there is one.
Notify = Callable[[], int | None]


class MakeChannel(Protocol):
    """Create a channel."""

    def __call__(self, name: str = ..., **columns: Any) -> NotificationChannel:
        """Create it with these columns."""
        ...


class TellRule(Protocol):
    """Add a rule."""

    def __call__(
        self, event: NotifiedEvent, number: int | None = ..., **scope: Any
    ) -> NotificationRule:
        """Add it for all, for a ``job`` or for a ``task_id``."""
        ...


class AddRun(Protocol):
    """Insert a run."""

    def __call__(self, task: Task, state: RunState = ..., **columns: Any) -> int:
        """Return its id."""
        ...


def keys(session: Session) -> list[str]:
    """Return the keys of all notices, in order of the text."""
    session.rollback()
    return sorted(session.scalars(select(EventNotice.key)))


def messages(session: Session) -> list[dict[str, Any]]:
    """Return the arguments of all deliveries, oldest first."""
    session.rollback()
    session.expire_all()
    which = TaskResult.job == NOTIFY_JOB
    return list(
        session.scalars(select(TaskResult.task_params).where(which).order_by(TaskResult.id))
    )
