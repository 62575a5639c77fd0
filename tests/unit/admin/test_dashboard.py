"""The dashboard."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeTask
from services.listed_runs import put_runs
from services.many_rows import fill
from taskadmin.models import (
    Launch,
    LaunchKind,
    LaunchState,
    LedgerState,
    Process,
    ProcessKind,
    RunState,
    TaskPause,
    TaskResult,
    TaskSchedule,
    User,
)
from taskadmin.store import clock, pauses
from taskadmin.store.audit import Actor
from taskadmin.store.task_lists import RUNS

pytestmark = pytest.mark.databases("sqlite")
PATH = "/taskadmin/dashboard/"


def cards(page: str) -> dict[str, tuple[str, str, str]]:
    """Number, address and small print of each card."""
    found = re.findall(
        r'<li class="card stat[^"]*"><a href="([^"]*)">\s*<span class="stat-label">(.*?)</span>'
        r'\s*<span class="stat-value">(.*?)</span>\s*<span class="sub">(.*?)</span>',
        page,
        re.DOTALL,
    )
    return {
        label: (value.strip(), url, re.sub(r"<[^>]+>", "", about).strip())
        for url, label, value, about in found
    }


def part(page: str, name: str) -> str:
    """The text of a live part of the page."""
    html = page.partition(f'data-live="{name}"')[2].partition("</section>")[0]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def tick(session: Session) -> None:
    """Let a launcher have had its turn just now."""
    session.execute(update(LedgerState).values(ticked_at=clock.now(session)))
    session.commit()


def test_an_empty_site_says_what_to_do(session: Session, superuser: FlaskClient) -> None:
    """No number is made up, and the first task is a click away."""
    page = superuser.get(PATH).text

    assert {name: card[0] for name, card in cards(page).items()} == {
        "Due in 15 min": "0",
        "Queued": "0",
        "Running": "0",
        "Succeeded 24 h": "0",
        "Failed 24 h": "0",
        "Late": "0",
        "Paused": "0",
    }
    assert "No launcher has ever looked for due tasks: nothing is started." in page
    assert "No run finished in this time." in page
    assert "There is no task yet. Create the first task" in part(page, "next")
    assert 'href="/taskadmin/tasks/new/"' in page
    assert "Nothing failed, as far as results are kept." in page


def test_a_site_whose_tasks_all_sleep_says_so(
    session: Session, superuser: FlaskClient, make_task: MakeTask, chief: User
) -> None:
    """There is a task, so nobody is told to create the first one."""
    task = make_task()
    pauses.pause_tasks(session, [task.id], actor=Actor(chief.id, "chief", "here"))

    said = part(superuser.get(PATH).text, "next")

    assert "No task is due: all of them are paused or over." in said
    assert "Create the first task" not in said


def test_cards_count_and_lead_to_what_they_count(
    session: Session,
    superuser: FlaskClient,
    runs: list[TaskResult],
    make_task: MakeTask,
    chief: User,
) -> None:
    """Two succeeded, one failed, one running, two queued; one task is paused, one is late."""
    now = clock.now(session)
    for run, state in zip(runs, ("succeeded", "succeeded", "failed", "running"), strict=False):
        values = {"state": state, "started_at": now}
        if state == "running":
            values |= {"token": uuid4(), "process_id": uuid4()}
        else:
            values |= {"finished_at": now, "error_type": "Boom" if state == "failed" else None}
        session.execute(update(TaskResult).where(TaskResult.id == run.id).values(**values))
    paused, late = make_task(name="Asleep"), make_task(name="Behind")
    session.add(
        TaskSchedule(
            task_id=late.id, kind="interval", every_s=60, next_due=now - timedelta(minutes=5)
        )
    )
    session.commit()
    pauses.pause_tasks(session, [paused.id], actor=Actor(chief.id, "chief", "here"))
    tick(session)

    page = superuser.get(PATH).text
    found = cards(page)

    assert found["Queued"][:2] == ("2", "/taskadmin/runs/?state=queued")
    assert found["Running"] == ("1", "/taskadmin/runs/?state=running", "on 1 worker")
    assert found["Succeeded 24 h"] == (
        "2",
        "/taskadmin/runs/?state=succeeded",
        "66.7% of all that ran",
    )
    assert found["Failed 24 h"] == ("1", "/taskadmin/failures/", "1 in the last hour")
    assert found["Late"] == ("1", "/taskadmin/tasks/?state=late", "for over a minute")
    assert found["Paused"][:2] == ("1", "/taskadmin/tasks/?state=paused")
    # First and Second go with the common slot of 300 s, and Behind by its own schedule.
    assert found["Due in 15 min"][0] == "3"
    assert "common slot" in part(page, "next") and "2 tasks" in part(page, "next")
    assert "Boom" in part(page, "failures")
    for _value, url, _about in found.values():
        assert superuser.get(url).status_code == 200


def test_what_needs_attention_is_said_in_words(
    session: Session, superuser: FlaskClient, runs: list[TaskResult], chief: User
) -> None:
    """A task that fails in a row, a queue nobody reads, an old pause, a missed slot."""
    now = clock.now(session)
    first, second = runs[0].task_id, runs[1].task_id
    session.execute(
        update(TaskResult)
        .where(TaskResult.task_id == first)
        .values(state=RunState.FAILED, finished_at=now, error_type="Boom")
    )
    pauses.pause_tasks(
        session, [second], actor=Actor(chief.id, "chief", "here"), note="until it is mended"
    )
    session.execute(update(TaskPause).values(paused_at=now - timedelta(days=9)))
    session.add(
        Launch(
            kind=LaunchKind.SLOT,
            slot=clock.slot_of(now, 300) - timedelta(hours=1),
            state=LaunchState.MISSED,
            opened_at=now,
        )
    )
    session.commit()
    tick(session)

    said = part(superuser.get(PATH).text, "attention")

    assert "“First” failed 3 times in a row" in said and "Boom since" in said
    assert "or earlier" not in said
    assert "No worker listens on queue “taskadmin.runs”" in said and "3 runs wait" in said
    assert "“Second” was paused 9 days ago by chief" in said
    assert "“until it is mended” · no date to resume" in said
    assert "1 common slot was missed in the last 24 hours" in said
    assert "Nothing is started" not in said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (1, None),
        (25, "Beat or the launcher is late: the last tick was 25"),
        (600, "Nothing is started: beat or the launcher has stopped."),
    ],
)
def test_how_beat_is_doing_is_said_as_it_is(
    session: Session, superuser: FlaskClient, seconds: int, said: str | None
) -> None:
    """What is late hasn't stopped."""
    ticked = clock.now(session) - timedelta(seconds=seconds)
    session.execute(update(LedgerState).values(ticked_at=ticked))
    session.commit()

    found = part(superuser.get(PATH).text, "attention")

    assert (said or "Nothing needs a look.") in found
    assert ("tick was" in found) == (said is not None)


def test_slots_that_nobody_launched_are_late(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """The launcher stopped two slots of 300 s ago; the card leads to where one sees why."""
    make_task()
    now = clock.now(session)
    begin = clock.slot_of(now, 300)
    session.execute(update(LedgerState).values(ticked_at=begin - timedelta(seconds=400)))
    session.commit()
    late = 2 if now - begin > timedelta(seconds=60) else 1

    number, url, about = cards(superuser.get(PATH).text)["Late"]

    assert (number, url) == (str(late), "/taskadmin/workers/")
    assert about in ("1 common slot", "2 common slots")


def test_schedules_that_cannot_be_computed_are_named(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """Five of them, each with the reason, and how many more there are."""
    for number in range(7):
        session.add(
            TaskSchedule(
                task_id=make_task(name=f"Broken {number}").id,
                kind="cron",
                cron="0 0 30 2 *",
                error="It never comes.",
            )
        )
    session.commit()
    tick(session)

    said = part(superuser.get(PATH).text, "attention")

    assert "The schedule of “Broken 0” can't be computed It never comes." in said
    assert said.count("It never comes.") == 5
    assert "The schedules of 2 more tasks can't be computed" in said


def test_a_pause_of_taskadmins_own_says_why(
    session: Session, superuser: FlaskClient, make_task: MakeTask, chief: User
) -> None:
    """Nobody paused it: it failed too often."""
    task = make_task(name="Shaky")
    pauses.pause_tasks(session, [task.id], actor=Actor(chief.id, "chief", "here"))
    session.execute(
        update(TaskPause).values(
            paused_by=None, paused_at=clock.now(session) - timedelta(days=2, hours=1)
        )
    )
    session.commit()

    said = part(superuser.get(PATH).text, "attention")

    assert "“Shaky” was paused 2 days ago, after too many failures" in said


def test_a_queue_that_is_read_needs_no_attention(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """A process that was heard of reads it."""
    now = clock.now(session)
    session.add(
        Process(
            id=uuid4(),
            kind=ProcessKind.WORKER,
            name="w@one",
            host="one",
            pid=1,
            queues="taskadmin.runs,other",
            started_at=now,
            seen_at=now,
        )
    )
    session.commit()
    tick(session)

    assert "Nothing needs a look." in superuser.get(PATH).text


@pytest.mark.parametrize("given", ["1h", "1d", "7d", "nonsense"])
def test_the_chart_has_ranges_and_a_table(
    session: Session, superuser: FlaskClient, runs: list[TaskResult], given: str
) -> None:
    """The table has the numbers of the chart, which has them in words too."""
    now = clock.now(session)
    session.execute(
        update(TaskResult).values(state=RunState.SUCCEEDED, finished_at=now, started_at=now)
    )
    session.commit()

    chart = superuser.get(f"{PATH}?range={given}").text
    table = superuser.get(f"{PATH}?range={given}&table=1").text

    assert chart.count("<svg xmlns=") == 2  # for wide and for narrow screens
    assert "Finished runs over time: 6 succeeded, 0 failed, 0 skipped" in chart
    assert "Times in UTC" in chart
    assert "style=" not in chart and "<style" not in chart
    assert "<svg xmlns=" not in table
    assert '<td class="num">6</td>' in table


def test_labels_stand_where_the_readers_hours_and_days_begin(
    session: Session, superuser: FlaskClient, runs: list[TaskResult], chief: User
) -> None:
    """By the zone of the profile: in Kolkata hours begin at half past."""
    chief.zone = "Asia/Kolkata"
    now = clock.now(session)
    session.execute(
        update(TaskResult).values(state=RunState.SUCCEEDED, finished_at=now, started_at=now)
    )
    session.commit()

    def labels(given: str) -> list[str]:
        wide = superuser.get(f"{PATH}?range={given}").text.partition("chart wide")[2]
        axis = wide.partition("axis x")[2].partition("series")[0]
        return [label for label in re.findall(r"<text[^>]*>([^<]+)</text>", axis) if label.strip()]

    hours, days = labels("1h"), labels("7d")

    assert 5 <= len(hours) <= 7
    assert all(re.fullmatch(r"\d+:\d0\s[AP]M", label) for label in hours), hours
    assert all(re.fullmatch(r"\d+:00\s[AP]M", label) for label in labels("1d"))
    assert len(days) == 7 == len(set(days))
    assert "Times in Asia/Kolkata" in superuser.get(PATH).text


@pytest.mark.parametrize("given", ["1h", "1d", "7d"])
def test_many_rows_take_no_more_queries(
    session: Session, superuser: FlaskClient, count_queries: CountQueries, given: str
) -> None:
    """At most fifteen, with something of everything that needs attention."""
    for rows in (20, 400):
        fill(session, rows)
        session.execute(update(TaskPause).values(paused_at=clock.now(session) - timedelta(days=3)))
        session.execute(
            update(TaskSchedule).where(TaskSchedule.task_id % 2 == 0).values(error="Never.")
        )
        session.commit()
        with count_queries() as statements:
            assert superuser.get(f"{PATH}?range={given}").status_code == 200
        assert len(statements) <= 15


def test_failures_that_go_back_further_than_was_looked_are_said_to(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """Their number is a least one, and so is the time since when."""
    put_runs(session, make_task(name="First"), ["failed"] * RUNS)

    said = part(superuser.get(PATH).text, "attention")

    assert f"“First” failed at least {RUNS} times in a row" in said
    assert re.search(r"since [^<]+ or earlier", said)


def test_late_tasks_and_late_slots_are_no_sum(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """The number is that of the list behind it."""
    make_task()
    late = make_task(name="Behind")
    now = clock.now(session)
    session.add(
        TaskSchedule(
            task_id=late.id, kind="interval", every_s=60, next_due=now - timedelta(minutes=5)
        )
    )
    session.execute(update(LedgerState).values(ticked_at=now - timedelta(seconds=700)))
    session.commit()

    number, url, about = cards(superuser.get(PATH).text)["Late"]

    assert (number, url) == ("1", "/taskadmin/tasks/?state=late")
    assert about == "with 2 common slots"
