"""What a job says while it runs."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, Double
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, UtcDateTime


class RunProgress(Base):
    """Progress and log lines of a run whose job reports them; removed with the run.

    A table of its own: most runs say nothing, and a result's row stays small.
    """

    __tablename__ = "taskadmin_run_progress"
    __table_args__ = (CheckConstraint("progress >= 0 AND progress <= 1", name="progress"),)

    #: No foreign key, as little as other tables have one to results.
    result_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    #: Share that is done, from 0 to 1.
    progress: Mapped[float | None] = mapped_column(Double)
    #: The newest lines, each as [ISO 8601 time, attempt, text].
    lines: Mapped[list[Any]] = mapped_column(JSON, default=list, server_default="[]")
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    def __str__(self) -> str:
        return f"Progress of run {self.result_id}"
