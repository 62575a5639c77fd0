"""``Notifications`` is off unless used, and needs the other parts."""

from __future__ import annotations

import pytest
from flask import Flask

from fixture_types import MakeHost
from taskadmin.errors import InvalidChannel, RegistrationError
from taskadmin.jobs import all_jobs
from taskadmin.models import NOTIFY_JOB, ChannelKind
from taskadmin.notifications import Notifications
from taskadmin.state import get_state


def test_it_registers_the_job_and_the_checks(app: Flask) -> None:
    """Once per application."""
    assert NOTIFY_JOB not in all_jobs()
    Notifications().init_app(app)

    assert NOTIFY_JOB in all_jobs()
    check = get_state(app).check_channel_address
    assert check is not None
    with pytest.raises(InvalidChannel):
        check(ChannelKind.WEBHOOK, "nonsense")
    with pytest.raises(RegistrationError, match="already initialized"):
        Notifications().init_app(app)


@pytest.mark.databases("sqlite")
def test_it_comes_after_taskadmin(make_host: MakeHost) -> None:
    """The error has the line to add."""
    with pytest.raises(RegistrationError, match="Notifications needs Models"):
        Notifications().init_app(make_host()[0])
