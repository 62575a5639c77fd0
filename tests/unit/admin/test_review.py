"""Review: who has how many tasks."""

from __future__ import annotations

from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeTask, MakeUser
from services.pages import cells


def test_review_shows_everybody_with_the_amount_of_their_tasks_in_one_query(
    session: Session,
    reviewer: FlaskClient,
    make_user: MakeUser,
    make_task: MakeTask,
    count_queries: CountQueries,
) -> None:
    """People without tasks too; two queries in all, one of which finds out who asks."""
    ana, bea = make_user("ana"), make_user("bea")
    for author in (ana, ana, bea):
        make_task(author)

    with count_queries() as statements:
        page = reviewer.get("/taskadmin/review/?sort=tasks&desc=1").text

    assert len(statements) == 2
    assert cells(page) == [["ana", "2"], ["bea", "1"], ["rita", "0"]]
    by_name = cells(reviewer.get("/taskadmin/review/?sort=username&desc=1").text)
    assert [name for name, _ in by_name] == ["rita", "bea", "ana"]


def test_review_goes_in_pages(reviewer: FlaskClient, make_user: MakeUser) -> None:
    """A hundred people on each."""
    for number in range(101):
        make_user(f"user{number:03}")

    first = cells(reviewer.get("/taskadmin/review/").text)
    second = cells(reviewer.get("/taskadmin/review/?page=1").text)

    assert (len(first), len(second)) == (100, 2)
