"""The end of launches, and what is kept of large ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import delete, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeTask
from services.launches import OPENED, add_launch
from taskadmin.models import Launch, LaunchState, RunState, TaskResult
from taskadmin.store import closing, launch_pages, unclaimed
from taskadmin.store.closing import close_finished
from taskadmin.store.launch_pages import Progress, progress_of
from taskadmin.store.outcome import Outcome
from taskadmin.store.transaction import reading

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
def _everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what became of the runs of every launch that has more than five."""
    monkeypatch.setattr(closing, "COUNTED", 5)
    monkeypatch.setattr(launch_pages, "COUNTED", 5)


def counts_of(launch: Launch) -> tuple[int | None, ...]:
    return launch.succeeded, launch.failed, launch.cancelled


def test_a_published_launch_is_closed_when_no_run_is_open(session: Session, task_id: int) -> None:
    """Not while it is being made, and not while a run is queued."""
    launch = add_launch(session, task_id, {RunState.QUEUED: 1}, state=LaunchState.OPENING)
    run = session.query(TaskResult).one()
    assert close_finished(session) == 0
    launch.state = LaunchState.PUBLISHED
    session.commit()
    assert close_finished(session) == 0
    outcome = Outcome(worker="w", elapsed=timedelta(), result=1.0)
    unclaimed.complete_unclaimed(session, run.id, run.due_at, uuid4(), outcome)

    assert close_finished(session) == 1

    session.refresh(launch)
    assert launch.state == LaunchState.CLOSED
    assert launch.closed_at is not None
    assert launch.opened_at <= launch.closed_at
    assert counts_of(launch) == (None, None, None), "pages count a small one's runs"
    assert close_finished(session) == 0


@pytest.mark.usefixtures("_everything_is_large")
def test_of_a_large_launch_is_kept_what_became_of_its_runs(
    session: Session, task_id: int, count_queries: CountQueries
) -> None:
    """Pages show each state then, and read no run for it; later deletions don't change it."""
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
    assert found == {launch.id: Progress(counts=FINISHED, gone=2)}
    assert statements == []


@pytest.mark.usefixtures("_everything_is_large")
def test_a_large_launch_that_has_no_rows_left_is_closed(session: Session, task_id: int) -> None:
    """Its tasks were deleted while it was under way."""
    launch = add_launch(session, task_id, lost=9)

    assert close_finished(session) == 1

    session.refresh(launch)
    assert counts_of(launch) == (0, 0, 0)
    assert progress_of(session, [launch])[launch.id].gone == 9


@pytest.mark.usefixtures("_everything_is_large")
def test_a_turn_counts_few_large_launches(
    session: Session, task_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest first; the small ones don't wait for them."""
    monkeypatch.setattr(closing, "_LARGE", 2)
    large = [add_launch(session, task_id, FINISHED) for _ in range(3)]
    small = [add_launch(session, task_id, {RunState.FAILED: 1}) for _ in range(2)]

    assert close_finished(session) == 4

    for launch in (*large, *small):
        session.refresh(launch)
    assert [one.state for one in large] == [LaunchState.CLOSED] * 2 + [LaunchState.PUBLISHED]
    assert {one.state for one in small} == {LaunchState.CLOSED}
    assert close_finished(session) == 1


@pytest.mark.databases("postgresql")
@pytest.mark.usefixtures("_everything_is_large")
def test_what_takes_too_long_to_count_is_closed_all_the_same(
    session: Session,
    task_id: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Pages estimate it, as they do while it is open; the log says so."""

    @contextmanager
    def slow_reading(session: Session, *, seconds: float) -> Iterator[None]:
        with reading(session, seconds=seconds / 100):
            session.execute(text("SELECT pg_sleep(30)"))
            yield

    monkeypatch.setattr(closing, "reading", slow_reading)
    launch = add_launch(session, task_id, FINISHED)

    assert close_finished(session) == 1

    session.refresh(launch)
    assert launch.state == LaunchState.CLOSED
    assert counts_of(launch) == (None, None, None)
    assert progress_of(session, [launch])[launch.id].others == 5
    assert "closed without counts" in caplog.text


@pytest.mark.usefixtures("_everything_is_large")
def test_another_error_closes_nothing(
    session: Session, task_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is away is no reason to do without the counts."""

    def away(session: Session, *, seconds: float) -> AbstractContextManager[None]:
        raise OperationalError("SELECT", {}, Exception("the server closed the connection"))

    launch = add_launch(session, task_id, FINISHED)
    with monkeypatch.context() as patched:
        patched.setattr(closing, "reading", away)
        with pytest.raises(OperationalError):
            close_finished(session)

    session.refresh(launch)
    assert launch.state == LaunchState.PUBLISHED
    assert close_finished(session) == 1


def test_a_launch_that_another_launcher_has_closed_stays_as_it_is(
    session: Session, task_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two may find the same one."""
    launch = add_launch(
        session, task_id, FINISHED, state=LaunchState.CLOSED, closed_at=OPENED, succeeded=4
    )

    assert closing._close(session, [launch.id], {"succeeded": 0}) == 0

    session.refresh(launch)
    assert (launch.closed_at, launch.succeeded) == (OPENED, 4)
