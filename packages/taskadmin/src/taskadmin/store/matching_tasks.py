"""Tasks that match a filter: what a list shows, and what "all that match" means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from ..errors import TooManyTasks
from ..models import Task

#: Most tasks that "all that match" may mean.
MOST = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingTasks:
    """Which tasks; what is None doesn't matter."""

    #: Words that are all parts of the name, in whatever case.
    text: str | None = None
    #: False for those that are paused.
    enabled: bool | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """For a WHERE clause."""
        found = [Task.deleted_at.is_(None)]
        if self.enabled is not None:
            found.append(Task.enabled.is_(self.enabled))
        words = (self.text or "").replace("\0", "").split()
        return found + [Task.name.icontains(word, autoescape=True) for word in words]


def matching_tasks(session: Session, which: MatchingTasks, *, most: int = MOST) -> Sequence[int]:
    """Ids of all tasks that match now, in order.

    Raises:
        TooManyTasks: If there are more than *most*.
    """
    query = select(Task.id).where(*which.conditions()).order_by(Task.id).limit(most + 1)
    ids = session.scalars(query).all()
    session.rollback()
    if len(ids) > most:
        raise TooManyTasks(
            f"More than {most:,} tasks match; nothing was done. Narrow the filter, by name or by state."
        )
    return ids
