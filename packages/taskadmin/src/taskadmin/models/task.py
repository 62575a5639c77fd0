"""Tasks: a job, its arguments and its author."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Double, ForeignKey, Index, String, text, true
from sqlalchemy.orm import Mapped, mapped_column, relationship

from .base import Base, UtcDateTime, utc_now
from .pause import TaskPause
from .schedule import TaskSchedule
from .user import User

#: The job whose two arguments are columns, as the tables have had them from the first release.
GENERATE_RANDOM_NUMBER = "generate_random_number"

#: In ``params`` and in a run's ``task_params``: which arguments were secrets when they were stored.
#: No argument's name begins so, and a job that is gone can't be asked any more.
MASKED = "_masked"

#: Largest finite double. PostgreSQL sorts NaN above it, SQLite stores NaN as NULL,
#: so limits between its negative and itself are finite in both.
_MAX = "1.7976931348623157e308"
_DELETED = text("deleted_at IS NOT NULL")


class Task(Base):
    """A job with its arguments. Only people's edits change ``updated_at`` and ``version``."""

    __tablename__ = "taskadmin_task"
    __table_args__ = (
        CheckConstraint(
            f"lower_limit >= -{_MAX} AND upper_limit <= {_MAX} AND lower_limit <= upper_limit",
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
        # As ``enabled.is_(False)`` is spelled, or nobody uses it.
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
    #: Arguments of every other job; behind ``MASKED`` the names of those that are never shown.
    params: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict, server_default="{}")
    #: False while the task is paused: ``pause`` says why.
    enabled: Mapped[bool] = mapped_column(default=True, server_default=true())
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, onupdate=utc_now)
    #: A tombstone: nobody sees the task any more, and its results are removed bit by bit.
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The author. RESTRICT, because users are deactivated, not deleted.
    created_by: Mapped[int] = mapped_column(
        ForeignKey("taskadmin_user.id", ondelete="RESTRICT"), index=True
    )

    author: Mapped[User] = relationship(lazy="raise_on_sql")
    #: None: the task goes with the common slot.
    schedule: Mapped[TaskSchedule | None] = relationship(
        lazy="raise_on_sql", passive_deletes=True, cascade="all, delete-orphan"
    )
    pause: Mapped[TaskPause | None] = relationship(lazy="raise_on_sql", viewonly=True)

    # Two people who edit one task: the second UPDATE matches no row and is refused.
    __mapper_args__ = {"version_id_col": version}

    @property
    def arguments(self) -> dict[str, Any]:
        """The job's arguments, wherever they are stored."""
        if self.job == GENERATE_RANDOM_NUMBER:
            return {"lower_limit": self.lower_limit, "upper_limit": self.upper_limit}
        return {name: value for name, value in self.params.items() if name != MASKED}

    @property
    def masked(self) -> list[str]:
        """Names of the arguments that are never shown, logged or exported."""
        return list(self.params.get(MASKED, ()))

    def __str__(self) -> str:
        return self.name or f"Task {self.id}"
