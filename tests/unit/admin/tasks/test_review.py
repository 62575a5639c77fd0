"""Review: users' tasks, last runs and failures."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeTask, MakeUser, SignIn
from services.pages import cells
from taskadmin.jobs import all_jobs
from taskadmin.models import RunState, Task, TaskResult
from taskadmin.schedules import ScheduleKind
from taskadmin.store.database import clock
from taskadmin.store.reports import review
from taskadmin.store.runs.results import insert_runs
from taskadmin.store.tasks import tasks
from taskadmin.store.tasks.schedules import ScheduleInput


def fail(session: Session, task: Task, *, hours_ago: float = 0) -> None:
    """Add a failed run of a task."""
    moment = clock.now(session) - timedelta(hours=hours_ago)
    insert_runs(session, [task], launch_id=1, due_at=moment, jobs=all_jobs())
    session.execute(
        update(TaskResult)
        .where(TaskResult.task_id == task.id, TaskResult.due_at == moment)
        .values(
            state=RunState.FAILED, queued_at=moment, finished_at=moment, error_type="ValueError"
        )
    )
    session.commit()


def test_review_shows_everybody_with_the_amount_of_their_tasks_in_one_query(
    session: Session,
    reviewer: FlaskClient,
    make_user: MakeUser,
    make_task: MakeTask,
    count_queries: CountQueries,
) -> None:
    """Including users without tasks; the current user and beat need other queries."""
    ana, bea = make_user("ana"), make_user("bea")
    for author in (ana, ana, bea):
        task = make_task(author)
    fail(session, task, hours_ago=3)

    with count_queries() as statements:
        page = reviewer.get("/taskadmin/review/?sort=tasks&desc=1").text

    others = ("taskadmin_session", "taskadmin_process")
    asked = [one for one in statements if "set_config" not in one]
    rows = [one for one in asked if not any(part in one for part in others)]
    assert len(rows) == 1
    assert len(asked) == 3
    assert cells(page) == [
        ["ana", "2", "none yet", "0"],
        ["bea", "1", "3 hours ago", "1"],
        ["rita", "0", "–", "0"],
    ]
    by_name = cells(reviewer.get("/taskadmin/review/?sort=username&desc=1").text)
    assert [row[0] for row in by_name] == ["rita", "bea", "ana"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["ana", "bea", "rita"]),
        ("sort=tasks", ["rita", "bea", "ana"]),
        ("sort=last_run", ["ana", "bea", "rita"]),
        ("sort=last_run&desc=1", ["bea", "ana", "rita"]),
        ("sort=failures&desc=1", ["bea", "ana", "rita"]),
        ("sort=failures", ["rita", "ana", "bea"]),
    ],
)
def test_review_is_sorted_by_each_column(
    session: Session,
    reviewer: FlaskClient,
    make_user: MakeUser,
    make_task: MakeTask,
    query: str,
    names: list[str],
) -> None:
    """By the address; users without runs come last."""
    ana, bea = make_user("ana"), make_user("bea")
    first, _second, third = make_task(ana), make_task(ana), make_task(bea)
    fail(session, first, hours_ago=5)
    for hours in (3, 4):
        fail(session, third, hours_ago=hours)

    page = reviewer.get(f"/taskadmin/review/?{query}")

    assert [row[0] for row in cells(page.text)] == names


@pytest.mark.databases("sqlite")
def test_an_unknown_order_leads_to_the_usual_one(reviewer: FlaskClient) -> None:
    """An old or handmade address isn't an error."""
    assert reviewer.get("/taskadmin/review/?sort=password_hash").location == "/taskadmin/review/"


@pytest.mark.databases("sqlite")
def test_incomplete_counts_are_explained(
    session: Session,
    reviewer: FlaskClient,
    make_user: MakeUser,
    make_task: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If something wasn't searched or counted."""
    ana, bea = make_user("ana"), make_user("bea")
    fail(session, make_task(ana), hours_ago=5)
    fail(session, make_task(bea))
    unknown = "the user has tasks, but no run among the latest"
    assert unknown not in reviewer.get("/taskadmin/review/").text
    original = review.review_page

    monkeypatch.setattr(
        review,
        "review_page",
        lambda *args, **options: original(*args, **options, newest=1, looked_up=0, most_failures=1),
    )
    page = reviewer.get("/taskadmin/review/").text

    assert [row[2:] for row in cells(page)] == [["–", "0"], ["now", "1"], ["–", "0"]]
    assert page.count("No run among the latest 2,500.") == 1
    assert unknown in page
    assert "More than 2,500 runs failed in 24 hours: only the latest are counted." in page


def test_review_goes_in_pages(reviewer: FlaskClient, make_user: MakeUser) -> None:
    """A hundred users per page."""
    for number in range(101):
        make_user(f"user{number:03}")

    first = cells(reviewer.get("/taskadmin/review/").text)
    second = cells(reviewer.get("/taskadmin/review/?page=1").text)

    assert (len(first), len(second)) == (100, 2)


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(("who", "links"), [("reviewer", 0), ("superuser", 1)])
def test_a_persons_tasks_can_be_read_and_no_more(
    request: pytest.FixtureRequest,
    session: Session,
    make_user: MakeUser,
    make_task: MakeTask,
    who: str,
    links: int,
) -> None:
    """Name, job, arguments, schedule, next and last run; the task's page is for superusers."""
    client: FlaskClient = request.getfixturevalue(who)
    ana = make_user("ana")
    task = make_task(ana, 1, 6, name="Dice")
    fail(session, task, hours_ago=2)
    make_task(name="Somebody else's")
    assert f'href="/taskadmin/review/tasks/?user={ana.id}">ana</a>' in (
        client.get("/taskadmin/review/").text
    )

    page = client.get(f"/taskadmin/review/tasks/?user={ana.id}").text

    [row] = cells(page)
    assert " ".join(row[0].split()) == "Dice generate_random_number"
    assert row[1] == "1 … 6"
    assert "every 5 minutes" in row[2]
    assert row[3].startswith(("in ", "now"))
    assert row[4].split() == ["failed", "2", "hours", "ago"]
    assert page.count(f'href="/taskadmin/tasks/details/?id={task.id}"') == links
    main = page[page.index("<main") : page.index("</main>")]
    assert "<form" not in main
    assert main.count("<button") == main.count("data-live-switch") == 1


@pytest.mark.databases("sqlite")
def test_a_users_tasks_show_their_problems(
    session: Session, reviewer: FlaskClient, make_user: MakeUser, make_task: MakeTask
) -> None:
    """Paused, orphaned or over; secrets are masked, names escaped."""
    ana = make_user("ana")
    make_task(ana, name="Resting", enabled=False)
    make_task(ana, name="<b>", job="gone", params={"token": "s3cret!", "_masked": ["token"]})
    tasks.create_task(
        session,
        author_id=ana.id,
        name="Nightly",
        arguments={"lower_limit": 0.0, "upper_limit": 1.0},
        schedule=ScheduleInput(kind=ScheduleKind.CRON, cron="30 2 * * *", zone="Europe/Berlin"),
    )

    page = reviewer.get(f"/taskadmin/review/tasks/?user={ana.id}").text

    assert "orphaned" in page
    assert "paused" in page
    assert "Europe/Berlin" in page
    assert "token=••••••" in page
    assert "s3cret!" not in page
    assert "&lt;b&gt;" in page


@pytest.mark.databases("sqlite")
def test_a_persons_tasks_go_in_pages_by_a_bounded_number_of_queries(
    reviewer: FlaskClient,
    make_user: MakeUser,
    make_task: MakeTask,
    count_queries: CountQueries,
) -> None:
    """Fifty per page, newest first."""
    ana = make_user("ana")
    for number in range(1, 52):
        make_task(ana, name=f"task{number:02}")

    with count_queries() as statements:
        first = reviewer.get(f"/taskadmin/review/tasks/?user={ana.id}").text

    assert len(statements) <= 10
    assert len(cells(first)) == 50
    older = f'href="/taskadmin/review/tasks/?user={ana.id}&amp;before=2">Older'
    assert older in first
    second = reviewer.get(f"/taskadmin/review/tasks/?user={ana.id}&before=2").text
    assert [row[0].split()[0] for row in cells(second)] == ["task01"]
    assert "No older tasks" in (
        reviewer.get(f"/taskadmin/review/tasks/?user={ana.id}&before=1").text
    )


@pytest.mark.databases("sqlite")
def test_a_user_without_tasks_has_an_empty_page(reviewer: FlaskClient, make_user: MakeUser) -> None:
    """Unknown users have none."""
    bea = make_user("bea", is_active=False)

    page = reviewer.get(f"/taskadmin/review/tasks/?user={bea.id}").text

    assert "bea has no tasks" in page
    assert "deactivated" in page
    for user in ("99", "0", "x", "", "2147483648", "%00"):
        assert reviewer.get(f"/taskadmin/review/tasks/?user={user}").status_code == 404


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("path", ["review/", "review/tasks/?user=1"])
def test_review_is_for_superusers_and_reviewers(
    client: FlaskClient, sign_in: SignIn, make_user: MakeUser, path: str
) -> None:
    """Others get 403; anonymous users are redirected to log in."""
    make_user("ana")
    visitors = {
        make_user("chief", is_superuser=True): 200,
        make_user("rita", can_review_tasks=True): 200,
        make_user("boris"): 403,
    }
    for visitor, status in visitors.items():
        assert sign_in(visitor).get(f"/taskadmin/{path}").status_code == status
    answer = client.get(f"/taskadmin/{path}")
    assert answer.location.startswith("/taskadmin/login?next=/taskadmin/review/")


def test_a_reviewer_finds_what_failed(
    session: Session, reviewer: FlaskClient, make_user: MakeUser, make_task: MakeTask
) -> None:
    """From a user by name to the failed task and its runs, without a way to change anything."""
    ana = make_user("ana")
    make_user("bea")
    make_task(ana, name="Fine")
    broken = make_task(ana, name="Broken")
    long_ago = make_task(ana, name="Long ago")
    fail(session, broken)
    fail(session, long_ago, hours_ago=25)

    people = reviewer.get("/taskadmin/review/?search=AN").text
    assert [row[0] for row in cells(people)] == ["ana"]
    link = f"/taskadmin/review/tasks/?user={ana.id}&amp;failed=1"
    assert f'href="{link}"' in people
    failed = reviewer.get(link.replace("&amp;", "&")).text
    assert [row[0].split("\n")[0] for row in cells(failed)] == ["Broken"]
    runs_link = f"/taskadmin/review/runs/?task={broken.id}"
    assert f'href="{runs_link}"' in failed
    runs = reviewer.get(runs_link).text
    assert [row[1] for row in cells(runs)] == ["failed"]
    assert "ValueError" in runs
    assert "/runs/details/" not in runs and "<form" not in runs.partition("<main")[2]


@pytest.mark.parametrize("query", ["", "task=x", "task=99", "task=0"])
def test_runs_of_unknown_tasks_are_not_found(reviewer: FlaskClient, query: str) -> None:
    """As on other pages."""
    assert reviewer.get(f"/taskadmin/review/runs/?{query}").status_code == 404
