"""Totals of finished runs by job, queue and state, which never decrease: for metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import and_, case, delete, func, literal_column, select
from sqlalchemy.orm import Session

from ...models import RunState, RunTotal, TaskResult
from ..database.clock import minute_of, seconds_between
from ..database.dialect import bucket_of, insert_with_conflicts

#: Upper bounds of the buckets of durations and waits, in seconds; the last bucket has none.
#: Stored counts are by position, so other bounds need a migration.
BOUNDS = (0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
#: Maximum pairs of job and queue; runs of further ones are counted as ``OTHER``.
MAX_PAIRS = 100
#: Job and queue of runs that have no totals of their own.
OTHER = "(other)"
#: Totals of pairs without a run for this long are deleted.
TOTAL_RETENTION = timedelta(days=30)
#: The minute of the row that has all minutes that aren't recounted any more.
EARLIER = datetime(1970, 1, 1, tzinfo=UTC)
_NO_RUNS = (0,) * (len(BOUNDS) + 1)


class Key(NamedTuple):
    """The key of a row."""

    minute: datetime
    job: str
    queue: str
    state: RunState


class Totals(NamedTuple):
    """Runs, their durations and waits."""

    runs: int = 0
    seconds: float = 0.0
    waited_seconds: float = 0.0
    #: By bucket; without skipped and cancelled runs.
    ran: Sequence[int] = _NO_RUNS
    #: Also without runs of several attempts.
    waited: Sequence[int] = _NO_RUNS
    last_minute: datetime = EARLIER

    def combined(self, other: Totals, how: Callable[[Any, Any], Any]) -> Totals:
        """Return the result of *how* for each pair of numbers, and the later of the two minutes."""
        return Totals(
            how(self.runs, other.runs),
            how(self.seconds, other.seconds),
            how(self.waited_seconds, other.waited_seconds),
            [how(*pair) for pair in zip(self.ran, other.ran, strict=True)],
            [how(*pair) for pair in zip(self.waited, other.waited, strict=True)],
            max(self.last_minute, other.last_minute),
        )


def plus(one: Any, other: Any) -> Any:
    """Return the sum of two numbers."""
    return one + other


def count_finished(session: Session, begin: datetime, end: datetime) -> dict[Key, Totals]:
    """Count the runs that finished from *begin* until *end*; one query."""
    run = TaskResult
    was_executed = and_(
        run.state.in_([RunState.SUCCEEDED, RunState.FAILED]), run.started_at.is_not(None)
    )
    ran = seconds_between(run.started_at, run.finished_at)
    # Of further attempts, only the log has the first one's start.
    waited = seconds_between(run.queued_at, run.started_at)
    started_once = and_(was_executed, run.attempts == literal_column("1"))
    minute = minute_of(run.finished_at)
    rows = session.execute(
        select(
            *(minute.label("minute"), run.job, run.queue, run.state),
            case((was_executed, bucket_of(ran, BOUNDS))),
            case((started_once, bucket_of(waited, BOUNDS))),
            func.count(),
            func.sum(case((was_executed, ran), else_=0.0)),
            func.sum(case((started_once, waited), else_=0.0)),
        )
        .where(run.finished_at >= begin, run.finished_at < end)
        .group_by(*(literal_column(str(place)) for place in range(1, 7)))
    )
    found: dict[Key, Totals] = {}
    for moment, job, queue, state, ran_in, waited_in, runs, seconds, waited_seconds in rows:
        key = Key(moment, job, queue, RunState(state))
        one = Totals(
            *(runs, seconds or 0.0, waited_seconds or 0.0),
            *(_in_bucket(ran_in, runs), _in_bucket(waited_in, runs), moment),
        )
        found[key] = found[key].combined(one, plus) if key in found else one
    return found


def _in_bucket(bucket: int | None, runs: int) -> Sequence[int]:
    return [runs if index == bucket else 0 for index in range(len(BOUNDS) + 1)]


def store_totals(session: Session, found: Mapping[Key, Totals], *, final_before: datetime) -> None:
    """Store what ``count_finished`` found, inside a ``ledger_transaction`` of one launcher.

    A minute that is counted again never decreases.

    Args:
        final_before: Earlier minutes aren't counted again.
    """
    stored = read_totals(session)
    named = _with_other(found, {(key.job, key.queue) for key in stored})
    changed = set(named)
    for key, totals in named.items():
        stored[key] = stored[key].combined(totals, max) if key in stored else totals
    for key in [key for key in stored if EARLIER < key.minute < final_before]:
        earlier = key._replace(minute=EARLIER)
        stored[earlier] = stored.get(earlier, Totals()).combined(stored.pop(key), plus)
        changed.add(earlier)
    for row in _expired(stored, final_before - TOTAL_RETENTION):
        del stored[row]
        session.execute(delete(RunTotal).filter_by(**row._asdict()), execution_options=_PLAIN)
    session.execute(
        delete(RunTotal).where(RunTotal.minute > EARLIER, RunTotal.minute < final_before),
        execution_options=_PLAIN,
    )
    rows = [{**key._asdict(), **stored[key]._asdict()} for key in sorted(changed & stored.keys())]
    if rows:
        insert = insert_with_conflicts(session, RunTotal.__table__)
        values = {name: insert.excluded[name] for name in Totals._fields}
        session.execute(insert.on_conflict_do_update(index_elements=Key._fields, set_=values), rows)


_PLAIN = {"synchronize_session": False}


def _with_other(found: Mapping[Key, Totals], known: set[tuple[str, str]]) -> dict[Key, Totals]:
    """Return *found* with at most ``MAX_PAIRS`` pairs besides ``OTHER``, the *known* ones first."""
    named: dict[Key, Totals] = {}
    known = known - {(OTHER, OTHER)}
    for key in sorted(found):
        pair = (key.job, key.queue)
        if pair not in known and len(known) >= MAX_PAIRS:
            pair = (OTHER, OTHER)
        else:
            known.add(pair)
        place = Key(key.minute, *pair, key.state)
        named[place] = named.get(place, Totals()).combined(found[key], plus)
    return named


def _expired(stored: Mapping[Key, Totals], before: datetime) -> list[Key]:
    """Return the rows of pairs without a run since *before*."""
    last: dict[tuple[str, str], datetime] = {}
    for key, totals in stored.items():
        pair = (key.job, key.queue)
        last[pair] = max(last.get(pair, EARLIER), totals.last_minute)
    return [key for key in stored if last[key.job, key.queue] < before]


def read_totals(session: Session) -> dict[Key, Totals]:
    """Return all rows; one query of a small table."""
    rows = session.execute(
        select(
            *(getattr(RunTotal, name) for name in Key._fields),
            *(getattr(RunTotal, name) for name in Totals._fields),
        )
    )
    return {
        Key(minute, job, queue, RunState(state)): Totals(
            *(runs, seconds, waited_seconds, _counts(ran), _counts(waited), last_minute)
        )
        for minute, job, queue, state, runs, seconds, waited_seconds, ran, waited, last_minute in rows
    }


def _counts(stored: Iterable[object]) -> Sequence[int]:
    """Return one number per bucket, whatever is stored."""
    numbers = [number if isinstance(number, int) else 0 for number in stored]
    return [*numbers, *_NO_RUNS][: len(_NO_RUNS)]
