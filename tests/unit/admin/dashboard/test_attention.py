""" "Needs attention" on the dashboard."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update
from sqlalchemy.orm import Session

from fixture_types import MakeTask, MakeUser
from services.dashboard import PATH, cards, part, tick
from services.rows.listed_runs import put_runs
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
from taskadmin.store.database import clock
from taskadmin.store.people.audit import Actor
from taskadmin.store.runs.lists import RUNS_PER_TASK
from taskadmin.store.tasks import pauses

pytestmark = pytest.mark.databases("sqlite")


def test_problems_are_described_in_words(
    session: Session, superuser: FlaskClient, runs: list[TaskResult], chief: User
) -> None:
    """A task that fails repeatedly, a queue without workers, an old pause, a missed slot."""
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
    assert "“until it is mended” · no resume date" in said
    assert "1 common slot was missed in the last 24 hours" in said
    assert "No task is started" not in said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (1, None),
        (25, "Beat or the launcher is late: the last tick was 25"),
        (600, "No task is started: beat or the launcher has stopped."),
    ],
)
def test_a_late_and_a_stopped_beat_are_shown(
    session: Session, superuser: FlaskClient, seconds: int, said: str | None
) -> None:
    """Late is distinguished from stopped."""
    ticked = clock.now(session) - timedelta(seconds=seconds)
    session.execute(update(LedgerState).values(ticked_at=ticked))
    session.commit()

    found = part(superuser.get(PATH).text, "attention")

    assert (said or "Nothing needs attention.") in found
    assert ("tick was" in found) == (said is not None)


def test_slots_without_a_launch_are_late(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """The launcher stopped two slots of 300 s ago; the card leads to the reason."""
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
    """Five of them with their reasons, and the number of others."""
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


def test_tasks_that_cannot_run_are_named(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """With their reasons; of many, a link to the list."""
    make_task(name="Gone", job="no_such_job")
    tick(session)
    assert "“Gone” can't run No job named no_such_job is registered." in part(
        superuser.get(PATH).text, "attention"
    )
    for number in range(5):
        make_task(name=f"Gone {number}", job="no_such_job")

    said = part(superuser.get(PATH).text, "attention")

    assert said.count("No job named no_such_job is registered.") == 5
    assert "More tasks can't run" in said


def test_new_users_without_a_role_are_counted(
    session: Session, superuser: FlaskClient, make_user: MakeUser
) -> None:
    """Not reviewers, deactivated users, users of a host, or those who have had none for long."""
    tick(session)
    make_user("reviewer", can_review_tasks=True)
    make_user("gone", is_active=False)
    make_user("old").created_at = clock.now(session) - timedelta(days=31)
    session.execute(update(User).values(password_hash="some"))
    make_user("hosted")
    session.commit()
    assert "Nothing needs attention." in superuser.get(PATH).text
    make_user("new").password_hash = make_user("newer").password_hash = "some"
    session.commit()

    page = superuser.get(PATH).text

    assert "2 new users have no role Registered in the last 30 days." in part(page, "attention")
    assert 'href="/taskadmin/users/?show=none"' in page
    assert superuser.get("/taskadmin/users/?show=none").status_code == 200


def test_a_pause_of_taskadmins_own_says_why(
    session: Session, superuser: FlaskClient, make_task: MakeTask, chief: User
) -> None:
    """It was paused after too many failures."""
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
    """A living process reads it."""
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

    assert "Nothing needs attention." in superuser.get(PATH).text


def test_partly_counted_failures_are_shown_as_a_minimum(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """Their number is a minimum, and so is their age."""
    put_runs(session, make_task(name="First"), ["failed"] * RUNS_PER_TASK)

    said = part(superuser.get(PATH).text, "attention")

    assert f"“First” failed at least {RUNS_PER_TASK} times in a row" in said
    assert re.search(r"since [^<]+ or earlier", said)


def test_late_tasks_and_late_slots_are_no_sum(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """The number is that of the linked list."""
    make_task()
    late = make_task(name="Behind")
    now = clock.now(session)
    session.add(
        TaskSchedule(
            task_id=late.id, kind="interval", every_seconds=60, next_due=now - timedelta(minutes=5)
        )
    )
    # In the slot before two slots that began more than a minute ago.
    seen = clock.slot_of(now - timedelta(minutes=1), 300) - timedelta(seconds=599)
    session.execute(update(LedgerState).values(ticked_at=seen))
    session.commit()

    number, url, about = cards(superuser.get(PATH).text)["Late"]

    assert (number, url) == ("1", "/taskadmin/tasks/?state=late")
    assert about == "with 2 common slots"
