"""Users' tasks, last runs and failures."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeTask, MakeUser
from taskadmin.jobs import all_jobs
from taskadmin.models import RunState, Task, TaskResult, User
from taskadmin.store.database import clock
from taskadmin.store.reports import review
from taskadmin.store.runs.results import insert_runs
from taskadmin.store.tasks import tasks

Run = Callable[..., datetime]


@pytest.fixture
def run(session: Session) -> Run:
    """Add a task's run queued that long ago, and return the time."""

    def make(task: Task, ago: timedelta = timedelta(), *, error: str | None = None) -> datetime:
        moment = clock.now(session) - ago
        insert_runs(session, [task], launch_id=1, due_at=moment, jobs=all_jobs())
        state = RunState.FAILED if error else RunState.SUCCEEDED
        session.execute(
            update(TaskResult)
            .where(TaskResult.task_id == task.id, TaskResult.due_at == moment)
            .values(
                queued_at=moment, finished_at=moment, state=state, error_type=error, error=error
            )
        )
        session.commit()
        return moment

    return make


@pytest.fixture
def ada(make_user: MakeUser) -> User:
    """The first user."""
    return make_user("ada")


@pytest.fixture
def bob(make_user: MakeUser, ada: User) -> User:
    """The second user."""
    return make_user("Bob")


def days(number: float) -> timedelta:
    """Return a number of days."""
    return timedelta(days=number)


def test_everybody_is_there_by_one_query(
    session: Session,
    make_user: MakeUser,
    make_task: MakeTask,
    run: Run,
    count_queries: CountQueries,
) -> None:
    """Also users without tasks and inactive users; paused tasks count, deleted ones don't."""
    ada, bob = make_user("ada"), make_user("Bob", is_active=False)
    make_user("cy")
    for number in range(2):
        run(make_task(ada), days(number))
    last = run(make_task(ada))
    tasks.delete_tasks(session, [make_task(ada).id])
    make_task(bob, enabled=False)

    with count_queries() as statements:
        found = review.review_page(session)

    assert found.rows == [
        review.ReviewRow(1, "ada", True, 3, last, True, 0),
        review.ReviewRow(2, "Bob", False, 1, None, True, 0),
        review.ReviewRow(3, "cy", True, 0, None, True, 0),
    ]
    assert not found.is_capped
    assert len([one for one in statements if "set_config" not in one]) == 1


def test_failures_of_a_day_are_counted(
    session: Session, make_task: MakeTask, run: Run, ada: User, bob: User
) -> None:
    """Older failures and those of deleted tasks aren't."""
    task, gone = make_task(ada), make_task(ada)
    for ago in (days(0), days(0.9), days(1.1), days(3)):
        run(task, ago, error="ValueError")
    run(make_task(bob), error="KeyError")
    run(make_task(bob))
    run(gone, error="ValueError")
    tasks.delete_tasks(session, [gone.id])

    rows = review.review_page(session, order_by="failures", descending=True).rows

    assert [(row.username, row.failures) for row in rows] == [("ada", 2), ("Bob", 1)]


def test_a_count_of_failures_above_the_maximum_is_marked(
    session: Session, make_task: MakeTask, run: Run, ada: User
) -> None:
    """The page says that the count is of the newest ones."""
    task = make_task(ada)
    for ago in (days(2), days(0.2), days(0.1)):
        run(task, ago, error="ValueError")

    few = review.review_page(session, most_failures=2)
    many = review.review_page(session, most_failures=3)

    assert (few.rows[0].failures, few.is_capped) == (2, True)
    assert (many.rows[0].failures, many.is_capped) == (2, False), "an old one doesn't cap it"


def test_a_last_run_that_is_older_than_the_newest_of_all_is_found(
    session: Session, make_task: MakeTask, run: Run, ada: User, bob: User
) -> None:
    """Searched by task, if users have few tasks."""
    older = run(make_task(ada), days(9))
    run(make_task(ada), days(10))
    for number in range(3):
        run(make_task(bob), days(number))

    rows = review.review_page(session, newest=3).rows

    assert (rows[0].last_run, rows[0].last_run_is_known) == (older, True)


def test_counts_that_were_not_made_are_unknown(
    session: Session, make_user: MakeUser, make_task: MakeTask, run: Run, ada: User, bob: User
) -> None:
    """Users with the fewest tasks come first, each completely."""
    cy = make_user("cy")
    expected = run(make_task(bob), days(5))
    for _ in range(3):
        run(make_task(ada), days(4))
    run(make_task(cy))

    rows = review.review_page(session, newest=1, looked_up=3).rows

    assert [(row.username, row.last_run_is_known) for row in rows] == [
        ("ada", False),
        ("Bob", True),
        ("cy", True),
    ]
    assert rows[0].last_run is None
    assert rows[1].last_run == expected


@pytest.mark.parametrize("descending", [True, False])
def test_rows_are_sorted_by_the_last_run(
    session: Session,
    make_user: MakeUser,
    make_task: MakeTask,
    run: Run,
    ada: User,
    bob: User,
    descending: bool,
) -> None:
    """Users without runs come last in both directions."""
    make_user("nobody")
    run(make_task(ada), days(2))
    run(make_task(bob), days(1))

    rows = review.review_page(session, order_by="last_run", descending=descending).rows

    names = ["Bob", "ada"] if descending else ["ada", "Bob"]
    assert [row.username for row in rows] == [*names, "nobody"]


def test_rows_are_sorted_and_paged_by_the_database(
    session: Session, make_user: MakeUser, make_task: MakeTask
) -> None:
    """By number of tasks, descending, then by id."""
    for name, amount in (("ada", 1), ("bob", 3), ("cy", 0), ("dan", 1)):
        author = make_user(name)
        for _ in range(amount):
            make_task(author)
    rows = review.review_page(session, order_by="tasks", descending=True, limit=2, offset=1).rows
    assert [(row.username, row.tasks) for row in rows] == [("ada", 1), ("dan", 1)]


def test_names_are_sorted_without_regard_to_case(session: Session, make_user: MakeUser) -> None:
    """Case-insensitively."""
    for name in ("bob", "Ada", "Cy"):
        make_user(name)
    assert [row.username for row in review.review_page(session).rows] == ["Ada", "bob", "Cy"]
    backwards = review.review_page(session, descending=True).rows
    assert [row.username for row in backwards] == ["Cy", "bob", "Ada"]


def test_tasks_of_a_person_come_newest_first(
    session: Session, make_task: MakeTask, ada: User, bob: User
) -> None:
    """Page by page after an id, without other users' and deleted tasks."""
    own = [make_task(ada).id for _ in range(4)]
    make_task(bob)
    tasks.delete_tasks(session, own[1:2])

    first = review.tasks_of(session, ada.id, limit=2)
    second = review.tasks_of(session, ada.id, before_id=first[-1].id, limit=2)

    assert [task.id for task in (*first, *second)] == [own[3], own[2], own[0]]


@pytest.mark.databases("postgresql")
def test_the_query_is_not_compiled(session: Session) -> None:
    """JIT compilation would take longer than the query."""
    setting = text("SELECT current_setting('jit')")
    usual = session.scalar(setting)
    review.review_page(session)
    assert session.scalar(setting) == "off"

    session.rollback()
    assert session.scalar(setting) == usual
