"""The job sends a message to its channel."""

from __future__ import annotations

import pytest
from flask import Flask

from fixture_types import MakeUser
from services.notifying.webhooks import KEY, receiver
from taskadmin import service
from taskadmin.errors import InvalidChannel, UnknownChannel
from taskadmin.jobs import Run, all_jobs
from taskadmin.models import NOTIFY_JOB, ChannelKind
from taskadmin.notifications import apprise_channel
from taskadmin.notifications.delivery import register_job, send_notification
from taskadmin.service import ChannelInput


@pytest.mark.settings(TASKADMIN_PRIVATE_WEBHOOKS=True)
def test_a_webhook_gets_title_text_and_details(context: Flask, make_user: MakeUser) -> None:
    """Its id is the run's, the same for each attempt."""
    with receiver() as found:
        given = ChannelInput("Ops", ChannelKind.WEBHOOK, found.url, KEY)
        channel = service.create_channel(given, author=make_user().id)
        for attempt in (1, 2):
            run = Run(run_id=12, attempt=attempt)
            details = {"events": [{"event": "failed", "count": 3}]}
            done = send_notification(channel.id, "Title", "Text", run, details)
            assert done == "HTTP 204"

    assert found.ids == ["msg_12", "msg_12"]
    assert found.messages[0]["data"] == {"title": "Title", "text": "Text", **details}


def test_apprise_gets_title_and_text(
    context: Flask, make_user: MakeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the decrypted address."""
    sent: list[tuple[str, dict[str, str]]] = []

    def send(address: str, **values: str) -> str:
        sent.append((address, values))
        return "Mail"

    monkeypatch.setattr(apprise_channel, "send", send)
    address = "mailto://me:word@example.com"
    given = ChannelInput("Ops", ChannelKind.APPRISE, address)
    channel = service.create_channel(given, author=make_user().id)

    assert send_notification(channel.id, "Title", "Text", Run()) == "Mail"
    assert sent == [(address, {"title": "Title", "text": "Text", "site": "taskadmin"})]


def test_a_missing_channel_and_a_changed_key_fail(context: Flask, make_user: MakeUser) -> None:
    """So that the run tells why."""
    with pytest.raises(UnknownChannel, match="There is no channel 7"):
        send_notification(7, "Title", "Text", Run())
    given = ChannelInput("Ops", ChannelKind.APPRISE, "mailto://me:word@example.com")
    channel = service.create_channel(given, author=make_user().id)
    context.config["SECRET_KEY"] = "another one"
    with pytest.raises(InvalidChannel, match="SECRET_KEY has changed: enter it again"):
        send_notification(channel.id, "Title", "Text", Run())


def test_the_job_is_tried_for_a_quarter_of_an_hour() -> None:
    """A receiver may be restarted meanwhile."""
    register_job()
    job = all_jobs()[NOTIFY_JOB]
    waits = [job.delay_after(attempt) for attempt in range(1, job.max_attempts)]

    assert 10 * 60 < sum(waits) < 20 * 60
