"""Job durations: measured by workers, read by the launcher."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import case, select
from sqlalchemy.orm import Session

from ...models import JobDuration
from ..database.clock import now
from ..database.dialect import insert_with_conflicts
from ..database.transaction import end_reading, ledger_transaction

#: Weight of past runs, at most: as many new runs make up half of the statistics.
_MAX_WEIGHT = 1_000.0


class Durations(NamedTuple):
    """Statistics of one job: number of runs, sum of seconds, sum of squared seconds."""

    runs: float = 0.0
    seconds: float = 0.0
    squares: float = 0.0

    def with_run(self, seconds: float) -> Durations:
        """Return the statistics with one more run."""
        return Durations(self.runs + 1, self.seconds + seconds, self.squares + seconds * seconds)

    @property
    def usual(self) -> float:
        """Mean plus two standard deviations, in seconds: few runs take longer."""
        mean = self.seconds / self.runs
        variance = max(self.squares / self.runs - mean * mean, 0.0)
        return mean + 2 * math.sqrt(variance)


def note_durations(session: Session, taken: Mapping[str, Durations]) -> None:
    """Add durations by job; older ones lose weight."""
    if not taken:
        return
    with ledger_transaction(session):
        moment = now(session)
        insert = insert_with_conflicts(session, JobDuration.__table__)
        stored: Any = JobDuration.__table__.c
        share = case((stored.runs > _MAX_WEIGHT, _MAX_WEIGHT / stored.runs), else_=1.0)
        sums = {name: stored[name] * share + insert.excluded[name] for name in Durations._fields}
        statement = insert.on_conflict_do_update(
            index_elements=[stored.job], set_={**sums, "noted_at": insert.excluded.noted_at}
        )
        # In a fixed order, so that workers don't deadlock.
        for job, durations in sorted(taken.items()):
            session.execute(statement, {"job": job, "noted_at": moment, **durations._asdict()})


def usual_durations(session: Session) -> dict[str, float]:
    """Return the seconds that nearly all runs of a job take, by job."""
    table: Any = JobDuration.__table__
    columns = (table.c.job, *(table.c[name] for name in Durations._fields))
    rows = session.execute(select(*columns)).all()
    end_reading(session)
    return {job: Durations(*sums).usual for job, *sums in rows}
