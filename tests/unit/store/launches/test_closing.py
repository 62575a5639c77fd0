"""Closing launches, and counts kept for large ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from uuid import uuid4

import pytest
from sqlalchemy import delete, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeTask
from services.rows.launches import OPENED, add_launch
from services.rows.runs import finish
from taskadmin.jobs import all_jobs
from taskadmin.models import Launch, LaunchState, RunState, TaskResult
from taskadmin.store.database import clock
from taskadmin.store.database.transaction import reading
from taskadmin.store.launches import closing, launches, slots
from taskadmin.store.launches.closing import close_finished
from taskadmin.store.reports import launch_pages
from taskadmin.store.reports.launch_pages import LaunchProgress, progress_of

#: Longer than any test, so that a test stays inside one slot.
DAY = 86400.0
FINISHED = {
    RunState.SUCCEEDED: 4,
    RunState.FAILED: 3,
    RunState.SKIPPED: 2,
    RunState.CANCELLED: 1,
}


@pytest.fixture
def task_id(make_task: MakeTask) -> int:
    """A task for all runs."""
    return make_task().id


@pytest.fixture
def _more_than_five_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep counts of launches with more than five runs."""
    monkeypatch.setattr(closing, "SMALL_LAUNCH", 5)
    monkeypatch.setattr(launch_pages, "SMALL_LAUNCH", 5)


def counts_of(launch: Launch) -> tuple[int | None, ...]:
    return launch.succeeded, launch.failed, launch.cancelled


def states_of(session: Session, which: Sequence[Launch]) -> list[LaunchState]:
    for launch in which:
        session.refresh(launch)
    return [launch.state for launch in which]


def test_a_published_launch_is_closed_when_no_run_is_open(session: Session, task_id: int) -> None:
    """Not before it is published, and not while a run is queued."""
    owner = uuid4()
    launch_id = slots.open_slot(session, DAY)
    assert launch_id is not None
    assert launches.take(session, launch_id, owner)
    launches.queue_page(session, launch_id, owner, page_size=100, jobs=all_jobs())
    (run,) = launches.unsent_runs(session, launch_id, limit=2)
    assert close_finished(session) == 0
    launches.finish_launch(session, launch_id, owner)
    assert close_finished(session) == 0
    finish(session, run.id)

    assert close_finished(session) == 1

    launch = session.get_one(Launch, launch_id, populate_existing=True)
    finished_at = session.get_one(TaskResult, run.id, populate_existing=True).finished_at
    assert launch.state == LaunchState.CLOSED
    assert launch.closed_at is not None
    assert launch.published_at is not None
    assert finished_at is not None
    assert launch.opened_at <= launch.published_at <= launch.closed_at
    assert finished_at <= launch.closed_at <= clock.now(session)
    assert launch.owner is None
    assert counts_of(launch) == (None, None, None), "pages count a small one's runs"
    assert close_finished(session) == 0


def test_launches_that_can_be_closed_are_found_among_the_open_ones(session: Session) -> None:
    """Closed launches aren't read, because each turn searches."""
    dialect = session.get_bind().dialect.name
    if dialect == "postgresql":
        session.execute(text("SET LOCAL enable_seqscan = off"))
    compiled = closing._due().compile(session.get_bind(), compile_kwargs={"literal_binds": True})
    explain = "EXPLAIN" if dialect == "postgresql" else "EXPLAIN QUERY PLAN"
    plan = str(session.execute(text(f"{explain} {compiled}")).all())
    assert "taskadmin_launch_open_idx" in plan
    assert "taskadmin_task_result_open_idx" in plan


@pytest.mark.usefixtures("_more_than_five_is_large")
def test_a_large_launch_stores_the_counts_of_its_runs(
    session: Session, task_id: int, count_queries: CountQueries
) -> None:
    """Pages show the counts without reading runs; later deletions don't change them."""
    launch = add_launch(session, task_id, FINISHED, lost=2)
    add_launch(session, task_id, {RunState.FAILED: 7, RunState.QUEUED: 1})

    assert close_finished(session) == 1

    session.refresh(launch)
    assert launch.state == LaunchState.CLOSED
    assert counts_of(launch) == (4, 3, 1)
    session.execute(delete(TaskResult).where(TaskResult.state == RunState.FAILED))
    session.commit()
    session.refresh(launch)
    with count_queries() as statements:
        found = progress_of(session, [launch])
    assert found == {launch.id: LaunchProgress(counts=FINISHED, gone=2, is_kept=True)}
    assert statements == []


@pytest.mark.usefixtures("_more_than_five_is_large")
@pytest.mark.parametrize(("skipped", "kept"), [(2, (None, None, None)), (3, (3, 0, 0))])
def test_skipped_runs_make_a_launch_large_too(
    session: Session, task_id: int, skipped: int, kept: tuple[int | None, ...]
) -> None:
    """Pages count up to five runs."""
    counts = {RunState.SUCCEEDED: 3, RunState.SKIPPED: skipped}
    launch = add_launch(session, task_id, counts)

    assert close_finished(session) == 1

    session.refresh(launch)
    assert counts_of(launch) == kept
    assert progress_of(session, [launch])[launch.id].counts == {
        **counts,
        **({RunState.FAILED: 0, RunState.CANCELLED: 0} if kept[0] else {}),
    }


@pytest.mark.usefixtures("_more_than_five_is_large")
def test_a_large_launch_that_has_no_rows_left_is_closed(session: Session, task_id: int) -> None:
    """Its tasks were deleted during the launch."""
    launch = add_launch(session, task_id, lost=9)

    assert close_finished(session) == 1

    session.refresh(launch)
    assert counts_of(launch) == (0, 0, 0)
    assert progress_of(session, [launch])[launch.id].gone == 9


@pytest.mark.usefixtures("_more_than_five_is_large")
def test_a_turn_counts_for_a_second(session: Session, task_id: int) -> None:
    """The oldest launches first; small ones don't wait for large ones."""
    large = [add_launch(session, task_id, FINISHED) for _ in range(3)]
    small = [add_launch(session, task_id, {RunState.FAILED: 1}) for _ in range(2)]
    clock_of_turn = iter([10.0, 10.9, 11.0])

    assert close_finished(session, now=lambda: next(clock_of_turn)) == 4

    closed, published = LaunchState.CLOSED, LaunchState.PUBLISHED
    assert states_of(session, [*small, *large]) == [closed] * 4 + [published]
    assert close_finished(session) == 1


def test_a_turn_closes_no_more_than_it_may(
    session: Session, task_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later turns close the others."""
    monkeypatch.setattr(closing, "_MAX_CLOSED", 2)
    small = [add_launch(session, task_id, {RunState.FAILED: 1}) for _ in range(3)]

    assert [close_finished(session) for _ in range(3)] == [2, 1, 0]

    assert set(states_of(session, small)) == {LaunchState.CLOSED}


@pytest.mark.databases("postgresql")
@pytest.mark.usefixtures("_more_than_five_is_large")
def test_launches_that_take_too_long_to_count_are_closed_anyway(
    session: Session,
    task_id: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Pages estimate its counts, as while it is open, and the log says so."""

    @contextmanager
    def slow_reading(session: Session, *, seconds: float) -> Iterator[None]:
        assert seconds == 5
        with reading(session, seconds=0.05):
            session.execute(text("SELECT pg_sleep(30)"))
            yield

    monkeypatch.setattr(closing, "reading", slow_reading)
    launch = add_launch(session, task_id, FINISHED)

    assert close_finished(session) == 1

    session.refresh(launch)
    assert launch.state == LaunchState.CLOSED
    assert counts_of(launch) == (None, None, None)
    progress = progress_of(session, [launch])[launch.id]
    assert not progress.is_kept
    assert progress.others == 5
    assert f"Can't count the runs of launch {launch.id}" in caplog.text
    assert session.scalar(text("SELECT current_setting('statement_timeout')")) == "0"


@pytest.mark.usefixtures("_more_than_five_is_large")
def test_a_database_that_is_away_closes_nothing(
    session: Session, task_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The launch can be neither counted nor closed."""

    def away(session: Session, **options: float) -> AbstractContextManager[None]:
        raise OperationalError("SELECT", {}, Exception("the server closed the connection"))

    launch = add_launch(session, task_id, FINISHED)
    with monkeypatch.context() as patched:
        patched.setattr(closing, "reading", away)
        patched.setattr(closing, "ledger_transaction", away)
        with pytest.raises(OperationalError):
            close_finished(session)

    assert states_of(session, [launch]) == [LaunchState.PUBLISHED]
    assert close_finished(session) == 1
    session.refresh(launch)
    assert counts_of(launch) == (4, 3, 1)


def test_a_launch_that_another_launcher_has_closed_stays_as_it_is(
    session: Session, task_id: int
) -> None:
    """Two launchers may find the same launch."""
    launch = add_launch(
        session, task_id, FINISHED, state=LaunchState.CLOSED, closed_at=OPENED, succeeded=4
    )

    assert closing._close(session, [launch.id], clock.now(session), {"succeeded": 0}) == 0

    session.refresh(launch)
    assert (launch.closed_at, launch.succeeded) == (OPENED, 4)
