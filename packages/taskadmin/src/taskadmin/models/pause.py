"""Pauses: why a task doesn't run, who wanted it so, and until when."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from .base import Base, UtcDateTime
from .user import User

_RESUMES = text("resume_at IS NOT NULL")


class TaskPause(Base):
    """One row for each paused task, whose ``enabled`` is false as long as it is there."""

    __tablename__ = "taskadmin_pause"
    __table_args__ = (
        Index(
            "taskadmin_pause_resume_at_idx",
            "resume_at",
            postgresql_where=_RESUMES,
            sqlite_where=_RESUMES,
        ),
    )

    task_id: Mapped[int] = mapped_column(
        ForeignKey("taskadmin_task.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    paused_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: None: taskadmin itself, after too many failures.
    paused_by: Mapped[int | None] = mapped_column(
        ForeignKey("taskadmin_user.id", ondelete="RESTRICT")
    )
    note: Mapped[str | None] = mapped_column(String(500))
    #: When the launcher resumes it.
    resume_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    pauser: Mapped[User | None] = relationship(lazy="raise_on_sql")

    def __str__(self) -> str:
        return f"Pause of task {self.task_id}"
