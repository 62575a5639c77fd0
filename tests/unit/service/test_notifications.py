"""Channels and rules with ``taskadmin.service``."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeTask, MakeUser
from taskadmin import service
from taskadmin.errors import InvalidChannel, RegistrationError, UnknownChannel, UnknownTask
from taskadmin.models import (
    NOTIFY_JOB,
    AuditEntry,
    ChannelKind,
    NotificationChannel,
    NotificationRule,
    NotifiedEvent,
    TaskResult,
)
from taskadmin.notifications import Notifications
from taskadmin.service import ChannelInput
from taskadmin.service.notifications import MAX_NUMBERS, existing_channel, new_signing_key

MAIL = ChannelInput("Ops", ChannelKind.APPRISE, "mailto://me:hunter22@example.com")
HOOK = ChannelInput("Hook", ChannelKind.WEBHOOK, "https://example.com/hook/secret")


@pytest.fixture
def notifying(context: Flask) -> Flask:
    """The application's context, with notifications."""
    Notifications().init_app(context)
    return context


@pytest.fixture
def author(make_user: MakeUser) -> int:
    """The id of a user."""
    return make_user("chief", is_superuser=True).id


def test_secrets_are_encrypted(notifying: Flask, session: Session, author: int) -> None:
    """A webhook without a key gets a random one."""
    mail = service.create_channel(MAIL, author=author)
    hook = service.create_channel(HOOK, author=author)

    stored = session.scalars(select(NotificationChannel)).all()
    for row in stored:
        assert not re.search("hunter22|secret|whsec", f"{row.address}{row.signing_key}")
    assert service.channel_secrets(mail.id).address == MAIL.address
    assert service.channel_secrets(mail.id).signing_key is None
    assert str(service.channel_secrets(hook.id).signing_key).startswith("whsec_")
    for entry in session.scalars(select(AuditEntry)):
        assert "hunter22" not in str(entry.after)


def test_an_edit_keeps_secrets_that_are_not_entered(notifying: Flask, author: int) -> None:
    """And replaces those that are."""
    channel_id = service.create_channel(HOOK, author=author).id
    before = service.channel_secrets(channel_id)

    service.edit_channel(channel_id, HOOK._replace(name="New", address=None))
    assert service.channel_secrets(channel_id) == before._replace(name="New")

    key = new_signing_key()
    service.edit_channel(
        channel_id, HOOK._replace(address="https://example.com/2", signing_key=key)
    )
    assert service.channel_secrets(channel_id)[2:] == ("https://example.com/2", key)


@pytest.mark.parametrize(
    ("change", "field", "why"),
    [
        ({"name": " "}, "name", "1 to 100 printable"),
        ({"name": "x" * 101}, "name", "1 to 100 printable"),
        ({"name": "a\nb"}, "name", "1 to 100 printable"),
        ({"name": "Ops"}, "name", "Another channel"),
        ({"address": ""}, "address", "1 to 2,000"),
        ({"address": f"https://e.com/{'x' * 2000}"}, "address", "1 to 2,000"),
        ({"address": "nonsense"}, "address", "such as https"),
        ({"signing_key": "whsec_c2hvcnQ="}, "signing_key", "24 to 64 bytes"),
        ({"signing_key": "whsec_ß"}, "signing_key", "24 to 64 bytes"),
        ({"gather_seconds": -1}, "gather_seconds", "0 to 86,400"),
        ({"gather_seconds": 86_401}, "gather_seconds", "0 to 86,400"),
        ({"quiet_from": "22:00"}, "quiet_until", "a begin and an end"),
        ({"quiet_from": "22:00", "quiet_until": "7"}, "quiet_until", "such as 22:00"),
        ({"zone": "Europe/Berln"}, "zone", "Europe/Berlin"),
    ],
)
def test_wrong_values_change_nothing(
    notifying: Flask, session: Session, author: int, change: dict[str, Any], field: str, why: str
) -> None:
    """The error names the field."""
    service.create_channel(MAIL, author=author)
    with pytest.raises(InvalidChannel, match=why) as refused:
        service.create_channel(HOOK._replace(**change), author=author)

    assert refused.value.field == field
    assert len(session.scalars(select(NotificationChannel)).all()) == 1


def test_a_channel_needs_an_author(notifying: Flask) -> None:
    """Its task belongs to someone."""
    with pytest.raises(InvalidChannel, match="needs an author"):
        service.create_channel(MAIL)


def test_without_the_part_the_error_has_the_line(context: Flask, author: int) -> None:
    """Nothing would deliver the messages."""
    with pytest.raises(RegistrationError, match=r"Notifications\(\)\.init_app\(app\)"):
        service.create_channel(MAIL, author=author)


@pytest.mark.parametrize("channel_id", [7, -1, 2**63])
def test_a_missing_channel_is_an_error(notifying: Flask, channel_id: int) -> None:
    """For each function that changes or uses one."""
    for call in (
        existing_channel,
        service.delete_channel,
        service.send_test,
        service.channel_secrets,
        lambda one: service.edit_channel(one, MAIL),
        lambda one: service.add_rule(one, NotifiedEvent.FAILED),
    ):
        with pytest.raises(UnknownChannel, match=f"There is no channel {channel_id}"):
            call(channel_id)
    assert service.find_channel(channel_id) is None
    assert service.delete_rule(channel_id) is False


def test_a_test_is_a_run(notifying: Flask, session: Session, author: int) -> None:
    """Of the channel's task, with a message that says so."""
    channel_id = service.create_channel(MAIL, author=author).id
    started = service.send_test(channel_id)

    run = session.scalars(select(TaskResult)).one()
    assert started.queued == 1
    assert (run.job, run.task_params["title"]) == (NOTIFY_JOB, "Test")
    service.delete_channel(channel_id)
    assert service.find_channel(channel_id) is None


def test_rules_are_added_and_deleted(
    notifying: Flask, session: Session, author: int, make_task: MakeTask
) -> None:
    """For all, for a job and for a task."""
    channel_id, task = service.create_channel(MAIL, author=author).id, make_task(name="Import")
    rules = [
        service.add_rule(channel_id, NotifiedEvent.FAILED),
        service.add_rule(channel_id, NotifiedEvent.FAILED_IN_A_ROW, number=3, job="mail"),
        service.add_rule(channel_id, NotifiedEvent.SLOW, number=60, task="Import"),
    ]
    assert rules[2].task_id == task.id
    assert service.delete_rule(rules[0].id) is True
    assert len(session.scalars(select(NotificationRule)).all()) == 2


@pytest.mark.parametrize(
    ("event", "given", "why"),
    [
        ("failed", {"number": 3}, "no number"),
        ("failed_in_a_row", {}, "number of failures"),
        ("failed_in_a_row", {"number": 0}, "1 to 100"),
        ("failed_in_a_row", {"number": 101}, "1 to 100"),
        ("silent", {"job": "mail"}, "concerns no task"),
        ("no_consumer", {"task": "Import"}, "concerns no task"),
        ("failed", {"job": "mail", "task": "Import"}, "not both"),
        ("failed", {"job": "gone"}, "No job named gone"),
    ],
)
def test_wrong_rules_are_refused(
    notifying: Flask,
    session: Session,
    author: int,
    make_task: MakeTask,
    event: str,
    given: dict[str, Any],
    why: str,
) -> None:
    """With the reason."""
    make_task(name="Import")
    channel_id = service.create_channel(MAIL, author=author).id
    with pytest.raises(InvalidChannel, match=why):
        service.add_rule(channel_id, NotifiedEvent(event), **given)
    with pytest.raises(UnknownTask):
        service.add_rule(channel_id, NotifiedEvent.FAILED, task="Nothing")
    assert session.scalars(select(NotificationRule)).all() == []
    assert NotifiedEvent.FAILED not in MAX_NUMBERS
