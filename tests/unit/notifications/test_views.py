"""The notifications page: channels, rules, tests and history, for superusers."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from taskadmin import service
from taskadmin.models import (
    NotificationChannel,
    NotificationRule,
    RunState,
    TaskResult,
)
from taskadmin.notifications import failure
from taskadmin.store.notifications.messages import (
    OTHER_PAGES,
    PROCESSES_PAGE,
    RUN_PAGE,
    TASK_PAGE,
)

PAGE = "/taskadmin/notifications/"
MAIL = {
    "name": "Ops",
    "kind": "apprise",
    "address": "mailto://me:hunter22@example.com",
    "gather_seconds": "60",
    "quiet_from": "22:00",
    "quiet_until": "07:00",
    "zone": "Europe/Berlin",
}


HOOK = {
    "name": "Hook",
    "kind": "webhook",
    "address": "https://example.com/hook",
    "signing_key": "",
}


def create(browser: FlaskClient, session: Session, **values: str) -> int:
    """Create a channel by the form, and return its id."""
    done = browser.post(f"{PAGE}channel/", data=MAIL | values)
    assert done.status_code == 302, done.text
    session.expire_all()
    return session.scalars(select(NotificationChannel.id).order_by(NotificationChannel.id)).all()[
        -1
    ]


def test_a_channel_is_created_changed_and_deleted(
    notifying: Flask, superuser: FlaskClient, session: Session
) -> None:
    """Its secrets are on no page, and an empty field keeps them."""
    assert "No channels" in superuser.get(PAGE).text
    channel_id = create(superuser, session)
    edit = f"{PAGE}channel/?id={channel_id}"
    for path in (PAGE, edit):
        text = superuser.get(path).text
        assert "Ops" in text and "22:00" in text and "hunter22" not in text

    changed = {**MAIL, "name": "Mail", "address": ""}
    assert superuser.post(edit, data=changed).status_code == 302
    with notifying.app_context():
        assert service.channel_secrets(channel_id).address == MAIL["address"]
    assert "Mail" in superuser.get(PAGE).text
    assert superuser.post(f"{PAGE}delete/?id={channel_id}").status_code == 302
    assert "Mail deleted." in superuser.get(PAGE).text


def test_wrong_values_are_said_at_their_fields(notifying: Flask, superuser: FlaskClient) -> None:
    """And secrets aren't sent back."""
    for change, why in (
        ({"address": "nonsense://hunter22"}, "Apprise can&#39;t read this address"),
        ({"name": ""}, "A name has 1 to 100"),
        ({"gather_seconds": "x"}, "whole number|Not a valid"),
        ({"quiet_until": ""}, "a begin and an end"),
        ({"zone": "Nowhere"}, "Unknown time zone"),
        ({"kind": "pigeon"}, "Choose one of these"),
    ):
        page = superuser.post(f"{PAGE}channel/", data=MAIL | change)
        assert page.status_code == 422
        assert re.search(why, page.text), why
        assert "hunter22" not in page.text


def test_rules_are_added_and_deleted(
    notifying: Flask, superuser: FlaskClient, session: Session, make_task: MakeTask
) -> None:
    """For a task by its name or number; wrong ones say why."""
    channel = str(create(superuser, session))
    task = make_task(name="Import")

    def add(**values: str) -> int:
        form = {"channel": channel, "event": "failed", "number": "", "job": "", "task": ""}
        return superuser.post(f"{PAGE}rules/", data=form | values).status_code

    assert [add(task="Import"), add(task=str(task.id), event="slow", number="60"), add()] == [
        302
    ] * 3
    assert [add(task="Nothing"), add(number="3"), add(event="x"), add(channel="99")] == [422] * 4
    text = superuser.get(PAGE).text
    assert "Import" in text and "all tasks" in text
    rules = session.scalars(select(NotificationRule).order_by(NotificationRule.id)).all()
    assert [(one.event, one.task_id) for one in rules] == [
        ("failed", task.id),
        ("slow", task.id),
        ("failed", None),
    ]
    deleted = str(rules[0].id)
    assert superuser.post(f"{PAGE}rules/", data={"delete": deleted}).status_code == 302
    assert superuser.post(f"{PAGE}rules/", data={"delete": deleted}).status_code == 404


def test_a_test_is_in_the_history(
    notifying: Flask, superuser: FlaskClient, session: Session
) -> None:
    """A channel that fails shows it, with a link to the run."""
    channel_id = create(superuser, session)
    assert "Nothing has been sent yet." in superuser.get(PAGE).text
    assert superuser.post(f"{PAGE}test/?id={channel_id}").status_code == 302
    run = session.scalars(select(TaskResult)).one()
    run.state, run.finished_at, run.error_type = RunState.FAILED, run.queued_at, "DeliveryFailed"
    run.error = "DeliveryFailed: HTTP 404"
    session.commit()

    text = superuser.get(PAGE).text
    assert text.count(f"/taskadmin/runs/details/?id={run.id}") == 2
    assert "HTTP 404" in text and ">Test</a>" in text and 'class="state failed"' in text


def test_without_the_extra_the_page_says_the_line(
    notifying: Flask, superuser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To install it."""
    assert "pip install" not in superuser.get(PAGE).text
    monkeypatch.setattr(failure, "find_spec", lambda _: None)
    assert "pip install &#39;taskadmin[notifications]&#39;" in superuser.get(PAGE).text


@pytest.mark.parametrize("path", ["", "channel/", "channel/?id=1", "task/?id=1"])
def test_only_superusers_open_it(notifying: Flask, reviewer: FlaskClient, path: str) -> None:
    """And only they change anything."""
    assert reviewer.get(PAGE + path).status_code == 403
    for action in ("test/?id=1", "delete/?id=1", "rules/", "channel/"):
        assert reviewer.post(PAGE + action).status_code == 403


@pytest.mark.parametrize("path", ["channel/?id=7", "channel/?id=x", "task/?id=7", "task/?id=x"])
def test_what_is_missing_is_not_found(notifying: Flask, superuser: FlaskClient, path: str) -> None:
    """Neither to see nor to change."""
    assert superuser.get(PAGE + path).status_code == 404
    for action in ("test/?id=7", "delete/?id=7", "test/"):
        assert superuser.post(PAGE + action).status_code == 404


@pytest.mark.settings(WTF_CSRF_ENABLED=True)
def test_nothing_changes_without_a_token(
    notifying: Flask, superuser: FlaskClient, session: Session
) -> None:
    """As everywhere."""
    assert superuser.post(f"{PAGE}channel/", data=MAIL).status_code == 422
    assert superuser.post(f"{PAGE}rules/", data={"delete": "1"}).status_code == 400
    assert session.scalars(select(NotificationChannel)).all() == []


def test_a_new_key_is_shown_once(
    notifying: Flask, superuser: FlaskClient, session: Session
) -> None:
    """The one that signs, unless the person has chosen it."""
    made = superuser.post(f"{PAGE}channel/", data=MAIL | HOOK)
    key = re.search(r"whsec_[\w+/=]{44}", made.text)
    channel_id = session.scalars(select(NotificationChannel.id)).one()
    with notifying.app_context():
        assert key and service.channel_secrets(channel_id).signing_key == key[0]
    assert (made.status_code, made.headers["Cache-Control"]) == (200, "no-store")
    for path in (PAGE, f"{PAGE}channel/?id={channel_id}"):
        assert key[0] not in superuser.get(path).text
    changed = MAIL | HOOK | {"name": "Hook 2"}
    assert superuser.post(f"{PAGE}channel/?id={channel_id}", data=changed).status_code == 302
    create(superuser, session, **HOOK | {"signing_key": key[0]})


def test_a_tasks_pages_lead_to_its_rules_and_back(
    notifying: Flask, superuser: FlaskClient, session: Session, make_task: MakeTask
) -> None:
    """It shows those that apply to the task; the task's own can be deleted there."""
    task, other = make_task(name="Import"), make_task(name="Other", job="send", params={})
    address = f"{PAGE}task/?id={task.id}"
    details = f"/taskadmin/tasks/details/?id={task.id}&tab=definition"
    for path in (f"/taskadmin/tasks/edit/?id={task.id}", details):
        assert f'href="{address}"' in superuser.get(path).text
    assert "nobody</a>" in superuser.get(details).text
    assert f"{PAGE}task" not in superuser.get("/taskadmin/tasks/new/").text
    assert "Nobody is told" in superuser.get(address).text
    channel = create(superuser, session)
    for event, scope in (
        ("late", {"task_id": other.id}),
        ("slow", {"job": "send"}),
        ("silent", {}),
        ("recovered", {"job": task.job}),
        ("paused", {}),
    ):
        session.add(NotificationRule(channel_id=channel, event=event, **scope))
    session.commit()
    given = {"channel": str(channel), "event": "failed", "number": ""}

    assert superuser.post(address, data=given | {"event": "silent"}).status_code == 422
    assert superuser.post(address, data=given | {"number": "3"}).status_code == 422
    assert superuser.post(address, data=given).location == details
    told = superuser.get(details).text
    assert "Rule added." in told and "Ops</a>" in told
    shown = superuser.get(address).text
    assert re.findall(r'class="name">([^<]+)', shown) == [
        *("A run succeeded after a failure", "A task was paused after failures", "A run failed")
    ]
    [own] = re.findall(r'name="delete" value="(\d+)"', shown)
    deleted = superuser.post(f"{PAGE}rules/?task={task.id}", data={"delete": own})
    assert deleted.location == address


def test_links_of_messages_lead_to_pages(
    notifying: Flask, superuser: FlaskClient, session: Session
) -> None:
    """Below the site's address."""
    channel_id = create(superuser, session)
    superuser.post(f"{PAGE}test/?id={channel_id}")
    run = session.scalars(select(TaskResult)).one()
    pages = [RUN_PAGE.format(run.id), TASK_PAGE.format(run.task_id)]
    for page in (*pages, *OTHER_PAGES.values(), PROCESSES_PAGE):
        assert superuser.get(f"/taskadmin/{page}").status_code == 200


def test_tasks_that_deliver_messages_are_marked(
    notifying: Flask, superuser: FlaskClient, session: Session
) -> None:
    """They are listed when they are searched for, and people can't make more of them."""
    create(superuser, session)
    tasks, name = "/taskadmin/tasks/", "Messages to Ops"
    assert name not in superuser.get(tasks).text
    for path in (f"{tasks}?search=job:send_notification", f"{tasks}details/?id=1"):
        page = superuser.get(path).text
        assert name in page and "taskadmin&#39;s own" in page
    assert 'value="send_notification"' not in superuser.get(f"{tasks}new/").text
    assert 'value="send_notification"' in superuser.get(f"{tasks}edit/?id=1").text
