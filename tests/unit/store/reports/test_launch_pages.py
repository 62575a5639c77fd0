"""Progress of launches for pages."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeTask
from services.rows.launches import OPENED, add_launch
from taskadmin.models import LaunchKind, LaunchState, RunState
from taskadmin.store.reports import launch_pages
from taskadmin.store.reports.launch_pages import (
    Cause,
    LaunchProgress,
    causes,
    page_of_launches,
    progress_of,
)

EVERY_STATE = {
    RunState.SUCCEEDED: 4,
    RunState.FAILED: 3,
    RunState.SKIPPED: 3,
    RunState.CANCELLED: 2,
    RunState.RUNNING: 1,
    RunState.QUEUED: 5,
}


@pytest.fixture
def task_id(make_task: MakeTask) -> int:
    """A task for all runs."""
    return make_task().id


@pytest.fixture
def _everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat all launches as large, and count at most five of anything."""
    monkeypatch.setattr(launch_pages, "SMALL_LAUNCH", 0)
    monkeypatch.setattr(launch_pages, "MAX_COUNTED_RUNS", 5)
    monkeypatch.setattr(launch_pages, "_SEARCHED_FAILURES", 10)


def test_each_state_of_a_small_launch_is_counted(session: Session, task_id: int) -> None:
    """The number of deleted runs is returned, too."""
    launch = add_launch(session, task_id, EVERY_STATE, lost=2)

    assert progress_of(session, [launch]) == {launch.id: LaunchProgress(counts=EVERY_STATE, gone=2)}


def test_launches_of_a_page_are_two_queries(
    session: Session, task_id: int, count_queries: CountQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One for small launches, one for large ones."""
    monkeypatch.setattr(launch_pages, "SMALL_LAUNCH", 2)
    launches = [add_launch(session, task_id, {RunState.QUEUED: number}) for number in range(5)]
    _ = [launch.id for launch in launches]

    with count_queries() as statements:
        found = progress_of(session, launches)

    assert [found[launch.id].counts.get(RunState.QUEUED, 0) for launch in launches] == [
        0,
        1,
        2,
        3,
        4,
    ]
    assert len([one for one in statements if "FROM taskadmin_task_result" in one]) == 2


def test_a_missed_slot_has_no_progress(session: Session, task_id: int) -> None:
    """It has no runs, so none are counted."""
    missed = add_launch(
        session, task_id, kind=LaunchKind.SLOT, slot=OPENED, state=LaunchState.MISSED
    )

    assert progress_of(session, [missed]) == {}


@pytest.mark.usefixtures("_everything_is_large")
def test_of_a_large_launch_open_and_failed_runs_are_counted(session: Session, task_id: int) -> None:
    """The others have finished; other launches' runs don't count."""
    counts = {**EVERY_STATE, RunState.QUEUED: 4}
    add_launch(session, task_id, {RunState.FAILED: 4, RunState.QUEUED: 4})
    launch = add_launch(session, task_id, counts)
    add_launch(session, task_id, {RunState.FAILED: 4, RunState.QUEUED: 4})

    found = progress_of(session, [launch])[launch.id]

    assert found == LaunchProgress(
        counts={
            RunState.RUNNING: 1,
            RunState.QUEUED: 4,
            RunState.FAILED: 3,
            RunState.SKIPPED: 3,
        },
        others=6,
    )
    assert found.total == sum(counts.values())


@pytest.mark.usefixtures("_everything_is_large")
def test_many_open_runs_are_shown_as_more(session: Session, task_id: int) -> None:
    """The number of finished runs is estimated from the first open one."""
    counts = {RunState.SUCCEEDED: 3, RunState.QUEUED: 6, RunState.CANCELLED: 1}
    launch = add_launch(session, task_id, counts)

    found = progress_of(session, [launch])[launch.id]

    assert found.open_is_capped
    assert found.others == 3
    assert found.total == 10


@pytest.mark.usefixtures("_everything_is_large")
def test_many_failed_runs_are_shown_as_a_minimum(session: Session, task_id: int) -> None:
    """Even if other launches' failures lie between them."""
    launch = add_launch(session, task_id, {RunState.FAILED: 9})

    found = progress_of(session, [launch])[launch.id]

    assert found.failed_is_capped
    assert found.counts[RunState.FAILED] == 5


@pytest.mark.usefixtures("_everything_is_large")
def test_counts_of_a_closed_launch_are_cached(
    session: Session, task_id: int, count_queries: CountQueries
) -> None:
    """A closed launch is cached, since it no longer changes; open ones aren't."""
    counts = {RunState.FAILED: 2, RunState.SUCCEEDED: 3}
    closed = add_launch(session, task_id, counts, state=LaunchState.CLOSED, closed_at=OPENED)
    opened = add_launch(session, task_id, {RunState.QUEUED: 2})
    before = progress_of(session, [closed, opened])
    found = causes(session, closed.id, is_over=True)

    with count_queries() as statements:
        assert progress_of(session, [closed]) == {closed.id: before[closed.id]}
        assert causes(session, closed.id, is_over=True) == found
    assert statements == []
    with count_queries() as statements:
        assert progress_of(session, [closed, opened]) == before
    assert len(statements) == 1
    assert before[closed.id].counts[RunState.FAILED] == 2
    assert found == [Cause(RunState.FAILED, "ValueError", 2)]


def test_a_large_launch_that_has_no_rows_left_is_all_finished(
    session: Session, task_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its results were deleted."""
    monkeypatch.setattr(launch_pages, "SMALL_LAUNCH", 10)
    launch = add_launch(session, task_id, lost=11)

    assert progress_of(session, [launch])[launch.id].others == 11


def test_launches_are_found_by_kind_and_state(session: Session, task_id: int) -> None:
    """Newest first, page by page."""
    missed = add_launch(
        session, task_id, kind=LaunchKind.SLOT, slot=OPENED, state=LaunchState.MISSED
    ).id
    closed = add_launch(session, task_id, state=LaunchState.CLOSED, closed_at=OPENED).id
    opened = add_launch(session, task_id, kind=LaunchKind.MANUAL).id

    def ids(**which: object) -> list[int]:
        return [one.id for one in page_of_launches(session, limit=9, **which)]  # type: ignore[arg-type]

    assert ids() == [opened, closed, missed]
    assert ids(before_id=opened) == [closed, missed]
    assert ids(kind=LaunchKind.MANUAL) == [opened]
    assert ids(only_open=True) == [opened]
    assert ids(only_missed=True) == [missed]


def test_causes_come_with_their_numbers(session: Session, task_id: int) -> None:
    """Reasons of skips and types of errors, most frequent first."""
    launch = add_launch(session, task_id, {RunState.SKIPPED: 3, RunState.FAILED: 4})

    assert causes(session, launch.id) == [
        Cause(RunState.FAILED, "ValueError", 4),
        Cause(RunState.SKIPPED, "Reason 0.", 2),
        Cause(RunState.SKIPPED, "Reason 1.", 1),
    ]
    assert len(causes(session, launch.id, limit=1)) == 1


def test_causes_are_looked_for_among_the_first_runs_only(
    session: Session, task_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A launch may have a million."""
    monkeypatch.setattr(launch_pages, "EXPLAINED_RUNS", 4)
    launch = add_launch(session, task_id, {RunState.FAILED: 5})

    assert causes(session, launch.id) == [Cause(RunState.FAILED, "ValueError", 4)]
