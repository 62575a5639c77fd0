"""Pause tasks with a note and an end, and resume them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from typing import Self

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.pages import act, next_messages
from taskadmin import service
from taskadmin.models import (
    TaskPause,
    User,
)
from taskadmin.store.people import audit
from taskadmin.store.people.audit import Filter
from taskadmin.store.people.users import set_preferences


def test_pause_and_resume_a_selection(
    session: Session, superuser: FlaskClient, chief: User, make_task: MakeTask
) -> None:
    """The form asks for note and end; the page and the audit trail have both, and the user."""
    task = make_task(name="Dice")
    version, changed = task.version, task.updated_at

    question = act(superuser, "pause", task.id)

    assert "Pause 1 task?" in question.text
    assert 'name="resume_at"' in question.text
    session.expire_all()
    assert task.enabled is True
    act(
        superuser,
        "pause",
        task.id,
        confirmed="yes",
        note="<Too loud>",
        resume_at="2999-01-02T03:04",
    )
    session.expire_all()
    assert task.updated_at > changed
    assert (task.enabled, task.version) == (False, version + 1)
    assert next_messages(superuser) == ["1 task paused."]
    page = superuser.get(f"/taskadmin/tasks/details/?id={task.id}").text
    assert " by chief: &lt;Too loud&gt;" in page
    assert re.search(r"Resumes on <time[^>]*>Jan 2, 2999, 3:04:00\sAM UTC</time>\.", page)
    listed = superuser.get("/taskadmin/tasks/").text
    assert "<strong>paused</strong> by chief until <time" in listed
    assert "</time>: &lt;Too loud&gt;" in listed
    act(superuser, "resume", task.id)
    assert next_messages(superuser) == ["1 task resumed."]
    session.expire_all()
    assert task.enabled is True
    trail = audit.page(session, Filter(), limit=9)
    assert [(entry.actor_id, entry.action, entry.source) for entry in trail] == [
        (chief.id, "resumed", "127.0.0.1"),
        (chief.id, "paused", "127.0.0.1"),
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"note": "x" * 501}, "A note can have at most 500 characters."),
        (
            {"resume_at": "2001-01-01T00:00"},
            "This time has passed. Enter a later one or leave it empty.",
        ),
        ({"resume_at": "tomorrow"}, "Not a valid datetime value."),
        ({"resume_at": "9999-12-31T23:59"}, "The date must be in the years 1970 to 2999."),
    ],
)
@pytest.mark.databases("sqlite")
def test_a_pause_that_makes_no_sense_is_asked_again(
    session: Session,
    superuser: FlaskClient,
    make_task: MakeTask,
    given: dict[str, str],
    message: str,
) -> None:
    """With the message at the field and the same selection."""
    task = make_task()

    answer = act(superuser, "pause", task.id, confirmed="yes", **given)

    assert answer.status_code == 422
    assert message in answer.text
    assert f'name="ids" value="{task.id}"' in answer.text
    session.expire_all()
    assert task.enabled is True


@pytest.mark.databases("sqlite")
def test_a_time_may_pass_while_a_pause_is_sent(
    session: Session,
    superuser: FlaskClient,
    make_task: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The form is shown again with the message at the field."""

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls(2190, 1, 1, tzinfo=tz)

    task = make_task()
    monkeypatch.setattr(service.tasks, "datetime", Later)

    answer = act(superuser, "pause", task.id, confirmed="yes", resume_at="2189-12-31T00:00")

    assert answer.status_code == 422
    assert "This time has passed. Enter a later one or leave it empty." in answer.text
    session.expire_all()
    assert task.enabled is True


@pytest.mark.parametrize(
    ("zone", "shown"),
    [(None, "Time in UTC."), ("Asia/Tokyo", "Time in Asia/Tokyo.")],
)
def test_a_pause_ends_by_the_readers_clock(
    session: Session,
    superuser: FlaskClient,
    chief: User,
    make_task: MakeTask,
    zone: str | None,
    shown: str,
) -> None:
    """The page names the time zone."""
    set_preferences(session, chief, language=None, zone=zone)
    task_id = make_task().id

    assert shown in act(superuser, "pause", task_id).text
    act(superuser, "pause", task_id, confirmed="yes", resume_at="2199-03-01T12:00")

    pause = session.get_one(TaskPause, task_id)
    assert pause.resume_at == datetime(2199, 3, 1, 12 if zone is None else 3, tzinfo=UTC)
