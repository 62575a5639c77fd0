"""Launches as pages show them: how far each is, without reading large ones whole."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, case, func, literal, select, true, union_all
from sqlalchemy.orm import Session, joinedload

from ..models import Launch, LaunchKind, LaunchState, RunState, TaskResult
from .closing import COUNTED, KEPT_STATES
from .launches import IS_OPEN
from .remembered import Remembered

#: Of larger launches, so many open runs, and so many failed ones, are counted at most.
MOST = 10_000
#: Failed runs of others that may lie between a launch's own, and are looked through.
_LOOKED_THROUGH = 2 * MOST
#: Runs of a launch in which reasons are looked for.
EXPLAINED = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How many runs of a launch are in which state.

    Attributes:
        counts: By state; of a large launch that isn't counted whole no succeeded and no
            cancelled ones, which are among ``others``.
        others: Runs of such a launch that are finished, whatever came of them.
        gone: Runs that aren't on record any more, or weren't when they were counted.
        is_kept: Everything was counted when the launch was closed; some of it may have been
            deleted since.
        open_is_capped: More than ``MOST`` runs of a large launch are open: ``others`` is
            about right, by the ids, and the queued ones stand for all that aren't counted.
        failed_is_capped: More than ``MOST`` failed, or may have.
    """

    counts: Mapping[RunState, int] = field(default_factory=dict)
    others: int = 0
    gone: int = 0
    is_kept: bool = False
    open_is_capped: bool = False
    failed_is_capped: bool = False

    @property
    def open(self) -> int:
        """Runs that wait or run."""
        return self.counts.get(RunState.QUEUED, 0) + self.counts.get(RunState.RUNNING, 0)

    @property
    def total(self) -> int:
        """Every run that is known of."""
        return sum(self.counts.values()) + self.others + self.gone


def page_of_launches(
    session: Session,
    *,
    kind: LaunchKind | None = None,
    only_open: bool = False,
    only_missed: bool = False,
    before_id: int | None = None,
    limit: int,
) -> Sequence[Launch]:
    """The newest launches with who asked for them, older than *before_id*; one query."""
    query = select(Launch).options(joinedload(Launch.requester))
    if kind is not None:
        query = query.where(Launch.kind == kind)
    if only_open:
        query = query.where(IS_OPEN)
    if only_missed:
        query = query.where(Launch.state == LaunchState.MISSED)
    if before_id is not None:
        query = query.where(Launch.id < before_id)
    return session.scalars(query.order_by(Launch.id.desc()).limit(limit)).all()


def find_launch(session: Session, launch_id: int) -> Launch | None:
    """A launch with who asked for it."""
    return session.scalar(
        select(Launch).where(Launch.id == launch_id).options(joinedload(Launch.requester))
    )


def progress_of(session: Session, launches: Collection[Launch]) -> dict[int, Progress]:
    """How far each launch is, by its id; at most two queries."""
    small = [one for one in launches if one.queued + one.skipped <= COUNTED]
    large = [one for one in launches if one.queued + one.skipped > COUNTED]
    kept = {one.id: _kept(one) for one in large if one.succeeded is not None}
    return {
        **_counted(session, small),
        **_estimated(session, [one for one in large if one.id not in kept]),
        **kept,
    }


def _kept(launch: Launch) -> Progress:
    """What was counted when the launch was closed."""
    counts = {state: getattr(launch, state.value) or 0 for state in KEPT_STATES}
    counts[RunState.SKIPPED] = launch.skipped
    gone = launch.queued + launch.skipped - sum(counts.values())
    return Progress(counts=counts, gone=max(gone, 0), is_kept=True)


def _counted(session: Session, launches: Collection[Launch]) -> dict[int, Progress]:
    found: dict[int, dict[RunState, int]] = {
        one.id: {} for one in launches if one.state != LaunchState.MISSED
    }
    if not found:
        return {}
    rows = session.execute(
        select(TaskResult.launch_id, TaskResult.state, func.count())
        .where(TaskResult.launch_id.in_(found))
        .group_by(TaskResult.launch_id, TaskResult.state)
    )
    for launch_id, state, count in rows:
        found[launch_id][RunState(state)] = count
    return {
        one.id: Progress(
            counts=found[one.id],
            gone=max(one.queued + one.skipped - sum(found[one.id].values()), 0),
        )
        for one in launches
        if one.id in found
    }


def _estimated(session: Session, launches: Collection[Launch]) -> dict[int, Progress]:
    if not launches:
        return {}
    over = [one for one in launches if one.state == LaunchState.CLOSED]
    found = {one.id: known for one in over if (known := _OVER.find(session, one.id)) is not None}
    wanted = [one.id for one in launches if one.id not in found]
    if wanted:
        rows: Iterable[Any] = session.execute(union_all(*(_of_large(one) for one in wanted)))
        found |= {row[0]: _Looked(*row[1:]) for row in rows}
    for one in over:
        if one.id in wanted:
            _OVER.keep(session, one.id, found[one.id])
    return {one.id: _progress(one, found[one.id]) for one in launches}


class _Looked(NamedTuple):
    """What two indexes say of a large launch."""

    opened: int
    running: int
    failed: int
    #: Failed runs that were looked through, those of other launches among them.
    through: int
    #: Ids: of the first run that is open, of the first and of the last run.
    first_open: int | None
    first: int | None
    last: int | None

    @property
    def share_before_open(self) -> float:
        """Share of the runs that come before the first open one: all of them are finished.

        Runs are taken about in order of their ids, so this is about what is finished.
        """
        if self.first_open is None or self.first is None or self.last is None:
            return 0.0
        return (self.first_open - self.first) / (self.last - self.first + 1)


#: Of large launches that were closed without counts: nothing of them changes, until their
#: results are deleted.
_OVER: Remembered[_Looked] = Remembered(seconds=600)


def _of_large(launch_id: int) -> Select[*tuple[Any, ...]]:
    """Counts over the indexes of open and of failed runs, neither of them read far."""
    opened = (
        select(TaskResult.id, TaskResult.state)
        .where(_is_of(launch_id), TaskResult.finished_at.is_(None))
        .order_by(TaskResult.launch_id, TaskResult.id)
        .limit(MOST + 1)
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
        .limit(_LOOKED_THROUGH + 1)
        .subquery()
    )
    is_own = (failed.c.launch_id == launch_id) & (failed.c.state == RunState.FAILED)
    of_opened = select(
        func.count().label("number"),
        _sum_of(opened.c.state == RunState.RUNNING).label("running"),
        func.min(opened.c.id).label("first"),
    ).select_from(opened)
    of_failed = select(_sum_of(is_own).label("own"), func.count().label("through")).select_from(
        failed
    )
    # Both are one row.
    opened_row, failed_row = of_opened.subquery(), of_failed.subquery()
    return select(
        literal(launch_id),
        opened_row.c.number,
        opened_row.c.running,
        failed_row.c.own,
        failed_row.c.through,
        opened_row.c.first,
        first,
        last,
    ).join_from(opened_row, failed_row, true())


def _sum_of(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _is_of(launch_id: int) -> ColumnElement[bool]:
    """Whether a run belongs to a launch, said so that its runs are read in the index's order.

    With ``=`` the launch's id would be constant and fall out of ORDER BY, and PostgreSQL reads
    the primary key from its beginning, because the launch may begin anywhere.
    """
    return TaskResult.launch_id.between(launch_id, launch_id)


def _progress(launch: Launch, found: _Looked) -> Progress:
    written = launch.queued + launch.skipped
    failed_is_capped = found.failed > MOST or found.through > _LOOKED_THROUGH
    counts = {
        RunState.RUNNING: found.running,
        RunState.FAILED: min(found.failed, MOST),
        RunState.SKIPPED: launch.skipped,
    }
    rest = max(written - sum(counts.values()), 0)
    if found.opened > MOST:
        finished = round(written * found.share_before_open)
        others = min(max(finished - counts[RunState.FAILED] - launch.skipped, 0), rest)
        return Progress(
            counts={**counts, RunState.QUEUED: rest - others},
            others=others,
            open_is_capped=True,
            failed_is_capped=failed_is_capped,
        )
    queued = min(found.opened - found.running, rest)
    return Progress(
        counts={**counts, RunState.QUEUED: queued},
        others=rest - queued,
        failed_is_capped=failed_is_capped,
    )


class Cause(NamedTuple):
    """Why runs of a launch were skipped, or with what they failed."""

    state: RunState
    #: The reason in words, or the error's type.
    text: str
    number: int


#: Of launches that are closed.
_CAUSES: Remembered[list[Cause]] = Remembered(seconds=600)


def causes(
    session: Session, launch_id: int, *, limit: int = 20, is_over: bool = False
) -> list[Cause]:
    """Reasons of skips and types of errors among the first ``EXPLAINED`` runs, most frequent first.

    Args:
        limit: Most causes returned.
        is_over: Whether the launch is closed: what is found is remembered for some minutes.
    """
    if is_over and (known := _CAUSES.find(session, (launch_id, limit))) is not None:
        return known
    found = _causes(session, launch_id, limit)
    if is_over:
        _CAUSES.keep(session, (launch_id, limit), found)
    return found


def _causes(session: Session, launch_id: int, limit: int) -> list[Cause]:
    first = (
        select(TaskResult.state, TaskResult.reason, TaskResult.error_type)
        .where(_is_of(launch_id))
        .order_by(TaskResult.launch_id, TaskResult.id)
        .limit(EXPLAINED)
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
