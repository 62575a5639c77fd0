"""Launches and their progress for pages, without counting all runs of large ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, case, func, literal, select, true, union_all
from sqlalchemy.orm import Session, joinedload

from ...models import Launch, LaunchKind, LaunchState, RunState, TaskResult
from ..database.cache import TimedCache
from ..launches.closing import KEPT_STATES, SMALL_LAUNCH
from ..launches.launches import IS_OPEN_LAUNCH

#: Maximum open runs, and maximum failed runs, to count of a large launch.
MAX_COUNTED_RUNS = 10_000
#: Maximum failed runs to search for a launch's own, including those of other launches.
_SEARCHED_FAILURES = 2 * MAX_COUNTED_RUNS
#: Number of a launch's runs to search for reasons.
EXPLAINED_RUNS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchProgress:
    """The number of a launch's runs in each state.

    Attributes:
        counts: By state; for a large launch that isn't counted completely, without succeeded and
            cancelled runs, which are in ``others``.
        others: Finished runs of such a launch in any state.
        gone: Runs that are deleted, or were when the launch was counted.
        is_kept: The counts were stored when the launch was closed; runs may be deleted since.
        open_is_capped: More than ``MAX_COUNTED_RUNS`` runs of a large launch are open: ``others``
            is estimated by ids, and the queued runs include all that weren't counted.
        failed_is_capped: More than ``MAX_COUNTED_RUNS`` failed, or may have.
    """

    counts: Mapping[RunState, int] = field(default_factory=dict)
    others: int = 0
    gone: int = 0
    is_kept: bool = False
    open_is_capped: bool = False
    failed_is_capped: bool = False

    @property
    def total(self) -> int:
        """Number of all runs, including deleted ones."""
        return sum(self.counts.values()) + self.others + self.gone


def page_of_launches(
    session: Session,
    *,
    kind: LaunchKind | None = None,
    only_open: bool = False,
    only_missed: bool = False,
    since: datetime | None = None,
    until: datetime | None = None,
    before_id: int | None = None,
    limit: int,
) -> Sequence[Launch]:
    """Return the newest launches with their requesters and ids below *before_id*; one query.

    Args:
        since: Launches of slots since then, and those without a slot that were opened since.
        until: Those before then.
    """
    query = select(Launch).options(joinedload(Launch.requester))
    if kind is not None:
        query = query.where(Launch.kind == kind)
    if only_open:
        query = query.where(IS_OPEN_LAUNCH)
    if only_missed:
        query = query.where(Launch.state == LaunchState.MISSED)
    moment = func.coalesce(Launch.slot, Launch.opened_at)
    if since is not None:
        query = query.where(moment >= since)
    if until is not None:
        query = query.where(moment < until)
    if before_id is not None:
        query = query.where(Launch.id < before_id)
    return session.scalars(query.order_by(Launch.id.desc()).limit(limit)).all()


def find_launch(session: Session, launch_id: int) -> Launch | None:
    """Return a launch with its requester, or None."""
    return session.scalar(
        select(Launch).where(Launch.id == launch_id).options(joinedload(Launch.requester))
    )


def progress_of(session: Session, launches: Collection[Launch]) -> dict[int, LaunchProgress]:
    """Return each launch's progress by its id; at most two queries."""
    small = [one for one in launches if one.queued + one.skipped <= SMALL_LAUNCH]
    large = [one for one in launches if one.queued + one.skipped > SMALL_LAUNCH]
    kept = {one.id: _kept(one) for one in large if one.succeeded is not None}
    return {
        **_counted(session, small),
        **_estimated(session, [one for one in large if one.id not in kept]),
        **kept,
    }


def _kept(launch: Launch) -> LaunchProgress:
    """Return the counts that were stored when the launch was closed."""
    counts = {state: getattr(launch, state.value) or 0 for state in KEPT_STATES}
    counts[RunState.SKIPPED] = launch.skipped
    gone = launch.queued + launch.skipped - sum(counts.values())
    return LaunchProgress(counts=counts, gone=max(gone, 0), is_kept=True)


def _counted(session: Session, launches: Collection[Launch]) -> dict[int, LaunchProgress]:
    counts: dict[int, dict[RunState, int]] = {
        one.id: {} for one in launches if one.state != LaunchState.MISSED
    }
    if not counts:
        return {}
    rows = session.execute(
        select(TaskResult.launch_id, TaskResult.state, func.count())
        .where(TaskResult.launch_id.in_(counts))
        .group_by(TaskResult.launch_id, TaskResult.state)
    )
    for launch_id, state, count in rows:
        counts[launch_id][RunState(state)] = count
    return {
        one.id: LaunchProgress(
            counts=counts[one.id],
            gone=max(one.queued + one.skipped - sum(counts[one.id].values()), 0),
        )
        for one in launches
        if one.id in counts
    }


def _estimated(session: Session, launches: Collection[Launch]) -> dict[int, LaunchProgress]:
    if not launches:
        return {}
    closed = [one for one in launches if one.state == LaunchState.CLOSED]
    samples = {
        one.id: cached for one in closed if (cached := _CLOSED.get(session, one.id)) is not None
    }
    missing = [one.id for one in launches if one.id not in samples]
    if missing:
        rows: Iterable[Any] = session.execute(union_all(*(_of_large(one) for one in missing)))
        samples |= {row[0]: _Sample(*row[1:]) for row in rows}
    for one in closed:
        if one.id in missing:
            _CLOSED.set(session, one.id, samples[one.id])
    return {one.id: _progress(one, samples[one.id]) for one in launches}


class _Sample(NamedTuple):
    """What the indexes of open and failed runs tell about a large launch."""

    opened: int
    running: int
    failed: int
    #: Failed runs that were searched, including those of other launches.
    searched: int
    #: Ids of the first open run, the first run and the last run.
    first_open: int | None
    first: int | None
    last: int | None

    @property
    def share_before_open(self) -> float:
        """Share of the runs before the first open one, which are all finished.

        Runs are claimed roughly in order of their ids, so this approximates the finished share.
        """
        if self.first_open is None or self.first is None or self.last is None:
            return 0.0
        return (self.first_open - self.first) / (self.last - self.first + 1)


#: Samples of large launches that were closed without counts: they don't change until their results
#: are deleted.
_CLOSED: TimedCache[_Sample] = TimedCache(seconds=600)


def _of_large(launch_id: int) -> Select[*tuple[Any, ...]]:
    """Sample the indexes of open and failed runs; both scans are limited."""
    opened = (
        select(TaskResult.id, TaskResult.state)
        .where(_is_of(launch_id), TaskResult.finished_at.is_(None))
        .order_by(TaskResult.launch_id, TaskResult.id)
        .limit(MAX_COUNTED_RUNS + 1)
        .subquery()
    )
    order = (TaskResult.launch_id, TaskResult.id)
    own_ids = select(TaskResult.id).where(_is_of(launch_id)).limit(1)
    first = own_ids.order_by(*order).scalar_subquery()
    last = own_ids.order_by(*(column.desc() for column in order)).scalar_subquery()
    failed = (
        select(TaskResult.launch_id, TaskResult.state)
        .where(
            TaskResult.error_type.is_not(None),
            TaskResult.id >= first,
            TaskResult.id <= last,
        )
        .order_by(TaskResult.id)
        .limit(_SEARCHED_FAILURES + 1)
        .subquery()
    )
    is_own = (failed.c.launch_id == launch_id) & (failed.c.state == RunState.FAILED)
    of_opened = select(
        func.count().label("number"),
        _sum_of(opened.c.state == RunState.RUNNING).label("running"),
        func.min(opened.c.id).label("first"),
    ).select_from(opened)
    of_failed = select(_sum_of(is_own).label("own"), func.count().label("searched")).select_from(
        failed
    )
    # Each has one row.
    opened_row, failed_row = of_opened.subquery(), of_failed.subquery()
    return select(
        literal(launch_id),
        opened_row.c.number,
        opened_row.c.running,
        failed_row.c.own,
        failed_row.c.searched,
        opened_row.c.first,
        first,
        last,
    ).join_from(opened_row, failed_row, true())


def _sum_of(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _is_of(launch_id: int) -> ColumnElement[bool]:
    """Return a condition for a launch's runs that lets them be read in the index's order.

    With ``=``, PostgreSQL would drop the constant launch id from ORDER BY and scan the primary key
    from its start, although the launch may begin anywhere.
    """
    return TaskResult.launch_id.between(launch_id, launch_id)


def _progress(launch: Launch, sample: _Sample) -> LaunchProgress:
    written = launch.queued + launch.skipped
    failed_is_capped = sample.failed > MAX_COUNTED_RUNS or sample.searched > _SEARCHED_FAILURES
    counts = {
        RunState.RUNNING: sample.running,
        RunState.FAILED: min(sample.failed, MAX_COUNTED_RUNS),
        RunState.SKIPPED: launch.skipped,
    }
    rest = max(written - sum(counts.values()), 0)
    if sample.opened > MAX_COUNTED_RUNS:
        finished = round(written * sample.share_before_open)
        others = min(max(finished - counts[RunState.FAILED] - launch.skipped, 0), rest)
        return LaunchProgress(
            counts={**counts, RunState.QUEUED: rest - others},
            others=others,
            open_is_capped=True,
            failed_is_capped=failed_is_capped,
        )
    queued = min(sample.opened - sample.running, rest)
    return LaunchProgress(
        counts={**counts, RunState.QUEUED: queued},
        others=rest - queued,
        failed_is_capped=failed_is_capped,
    )


class Cause(NamedTuple):
    """A reason why runs of a launch were skipped or failed."""

    state: RunState
    #: The skip's reason, or the exception's name.
    text: str
    number: int


#: Causes of closed launches.
_CAUSES: TimedCache[list[Cause]] = TimedCache(seconds=600)


def causes(
    session: Session, launch_id: int, *, limit: int = 20, is_over: bool = False
) -> list[Cause]:
    """Return skip reasons and exceptions of the first ``EXPLAINED_RUNS`` runs, most frequent first.

    Args:
        limit: Maximum causes to return.
        is_over: Whether the launch is closed: the result is cached for some minutes.
    """
    if is_over and (cached := _CAUSES.get(session, (launch_id, limit))) is not None:
        return cached
    found = _causes(session, launch_id, limit)
    if is_over:
        _CAUSES.set(session, (launch_id, limit), found)
    return found


def _causes(session: Session, launch_id: int, limit: int) -> list[Cause]:
    first = (
        select(TaskResult.state, TaskResult.reason, TaskResult.error_type)
        .where(_is_of(launch_id))
        .order_by(TaskResult.launch_id, TaskResult.id)
        .limit(EXPLAINED_RUNS)
        .subquery()
    )
    why = case((first.c.state == RunState.SKIPPED, first.c.reason), else_=first.c.error_type)
    number = func.count().label("number")
    rows = session.execute(
        select(first.c.state, why.label("why"), number)
        .where(first.c.state.in_((RunState.SKIPPED, RunState.FAILED)))
        .group_by(first.c.state, why)
        .order_by(number.desc(), first.c.state, why)
        .limit(limit)
    )
    return [Cause(RunState(row.state), row.why or "", row.number) for row in rows]
