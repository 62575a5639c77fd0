"""Pauses: why a task is paused, by whom, and until when."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from .base import Base
from .columns.times import UtcDateTime
from .columns.typeless import String
from .user import User

_RESUMES = text("resume_at IS NOT NULL")


class TaskPause(Base):
    """One row per paused task, whose ``enabled`` is false while the row exists."""

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
    #: None for taskadmin itself, after too many failures.
    paused_by: Mapped[int | None] = mapped_column(
        ForeignKey("taskadmin_user.id", ondelete="RESTRICT")
    )
    note: Mapped[str | None] = mapped_column(String(500))
    #: When the launcher resumes the task.
    resume_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    pauser: Mapped[User | None] = relationship(lazy="raise_on_sql")

    def __str__(self) -> str:
        return f"Pause of task {self.task_id}"
