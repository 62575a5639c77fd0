"""Tasks: a job, its arguments and its author."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, text, true
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from ..values.storable import check_text, check_value
from .base import Base
from .columns.stored_json import StoredJson
from .columns.times import UtcDateTime, utc_now
from .columns.typeless import Double, String
from .notifications.channel import NOTIFY_JOB
from .pause import TaskPause
from .schedule import TaskSchedule
from .user import User

#: The job whose two arguments have columns of their own, as in the first release.
GENERATE_RANDOM_NUMBER = "generate_random_number"

#: Key in ``params`` and a run's ``task_params`` for the names of arguments that were secret when
#: they were stored: a job that isn't registered any more can't tell. No argument's name starts like
#: this.
MASKED = "_masked"

#: The largest finite double. PostgreSQL sorts NaN above it and SQLite stores NaN as NULL, so limits
#: between its negative and itself are finite in both.
_MAX_DOUBLE = "1.7976931348623157e308"
_DELETED = text("deleted_at IS NOT NULL")


class Task(Base):
    """A job with its arguments. Only people's edits change ``updated_at`` and ``version``."""

    __tablename__ = "taskadmin_task"
    __table_args__ = (
        CheckConstraint(
            f"lower_limit >= -{_MAX_DOUBLE} AND upper_limit <= {_MAX_DOUBLE} AND lower_limit <= upper_limit",
            name="limits_ordered",
        ),
        CheckConstraint(
            f"(job = '{GENERATE_RANDOM_NUMBER}') = (lower_limit IS NOT NULL)"
            f" AND (job = '{GENERATE_RANDOM_NUMBER}') = (upper_limit IS NOT NULL)",
            name="limits_of_job",
        ),
        Index(
            "taskadmin_task_deleted_at_idx",
            "deleted_at",
            postgresql_where=_DELETED,
            sqlite_where=_DELETED,
        ),
        # Spelled like ``enabled.is_(False)``, or the planner doesn't use it.
        Index(
            "taskadmin_task_paused_idx",
            "id",
            postgresql_where=text("enabled IS false"),
            sqlite_where=text("enabled IS 0"),
        ),
        Index("taskadmin_task_job_idx", "job", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    name: Mapped[str | None] = mapped_column(String(200))
    job: Mapped[str] = mapped_column(
        String(100), default=GENERATE_RANDOM_NUMBER, server_default=GENERATE_RANDOM_NUMBER
    )
    lower_limit: Mapped[float | None] = mapped_column(Double)
    upper_limit: Mapped[float | None] = mapped_column(Double)
    #: Arguments of all other jobs; under ``MASKED`` the names of those that are never shown.
    params: Mapped[dict[str, Any]] = mapped_column(
        StoredJson(dict), default=dict, server_default="{}"
    )
    #: False while the task is paused: see ``pause``.
    enabled: Mapped[bool] = mapped_column(default=True, server_default=true())
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, onupdate=utc_now)
    #: A tombstone: the task is hidden, and its results are deleted in batches.
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The author. RESTRICT, because users are deactivated, not deleted.
    created_by: Mapped[int] = mapped_column(
        ForeignKey("taskadmin_user.id", ondelete="RESTRICT"), index=True
    )

    author: Mapped[User] = relationship(lazy="raise_on_sql")
    #: None for a task of the common slot.
    schedule: Mapped[TaskSchedule | None] = relationship(
        lazy="raise_on_sql", passive_deletes=True, cascade="all, delete-orphan"
    )
    pause: Mapped[TaskPause | None] = relationship(lazy="raise_on_sql", viewonly=True)

    # If two people edit one task, the second UPDATE matches no row and is refused.
    __mapper_args__ = {"version_id_col": version}

    @validates("name", "params")
    def _check(self, key: str, value: Any) -> Any:
        # Values that an earlier release stored may stay.
        if value != getattr(self, key):
            (check_value if key == "params" else check_text)(value or "")
        return value

    @property
    def author_name(self) -> str | None:
        """The author's username; None if the author's row is missing, which only SQLite allows."""
        return self.author.username if self.author is not None else None

    @property
    def arguments(self) -> dict[str, Any]:
        """The job's arguments, from columns or ``params``."""
        return stored_arguments(self.job, self.lower_limit, self.upper_limit, self.params)

    @property
    def masked(self) -> list[str]:
        """Names of the arguments that are never shown, logged or exported."""
        return list(self.params.get(MASKED, ()))

    @property
    def is_own(self) -> bool:
        """Whether it is taskadmin's own: its runs deliver a channel's messages."""
        return self.job == NOTIFY_JOB

    def __str__(self) -> str:
        return self.name or f"Task {self.id}"


def stored_arguments(
    job: str, lower_limit: float | None, upper_limit: float | None, params: Mapping[str, object]
) -> dict[str, object]:
    """Return ``Task.arguments`` for these column values."""
    if job == GENERATE_RANDOM_NUMBER:
        return {"lower_limit": lower_limit, "upper_limit": upper_limit}
    return {name: value for name, value in params.items() if name != MASKED}
