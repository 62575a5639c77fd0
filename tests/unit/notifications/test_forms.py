"""The form of a rule offers what exists."""

from __future__ import annotations

from flask import Flask

from taskadmin.models import NOTIFY_JOB, NotificationChannel, NotifiedEvent
from taskadmin.notifications.forms import EVENTS, RuleForm


def test_channels_and_jobs_are_offered(notifying: Flask) -> None:
    """All but the job that delivers messages, whose failures aren't told."""
    with notifying.test_request_context():
        form = RuleForm()
        form.offer([NotificationChannel(id=7, name="Ops")])

        assert form.channel.options == {"7": "Ops"}
        assert "generate_random_number" in form.job.options
        assert NOTIFY_JOB not in form.job.options
    # Nothing looks for silence yet.
    assert {*EVENTS, NotifiedEvent.SILENT.value} == {event.value for event in NotifiedEvent}
