"""From registration to the result, with real components and without JavaScript."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeApp
from services.browser import Browser
from services.servers.processes import CeleryProcesses, wait_for
from taskadmin.models import User
from taskadmin.queue import LAUNCH_QUEUE, RUNS_QUEUE
from taskadmin.store.people import users
from taskadmin.store.people.passwords import hash_password

PASSWORD = "correct horse battery"


@pytest.mark.databases("postgresql")
def test_from_registration_to_the_result_in_the_page(
    session: Session,
    make_app: MakeApp,
    host_config: dict[str, Any],
    processes: CeleryProcesses,
) -> None:
    """Register, be refused, get a role and create a task, which runs and shows its result."""
    app = make_app(**host_config, WTF_CSRF_ENABLED=True)
    users.create_user(session, "chief", password_hash=hash_password(PASSWORD), is_superuser=True)
    ana, chief = Browser(app), Browser(app)

    ana.submit("/taskadmin/register", username="Ana", password=PASSWORD, confirm=PASSWORD)
    assert "Welcome, Ana." in ana.messages()
    assert ana.get("/taskadmin/tasks/").status_code == 403

    chief.submit("/taskadmin/login", username="chief", password=PASSWORD)
    ana_id = session.scalars(select(User.id).where(User.username == "Ana")).one()
    chief.submit(f"/taskadmin/users/edit/?id={ana_id}", is_active="y", is_superuser="y")
    assert "Roles of Ana saved." in chief.messages()

    ana.submit("/taskadmin/tasks/new/", name="Dice", lower_limit="1", upper_limit="6", enabled="y")
    assert "Dice created." in ana.messages()

    processes.worker("runs", RUNS_QUEUE, "-c", "1")
    processes.worker("launcher", LAUNCH_QUEUE, "-P", "solo")
    processes.beat()

    def shown() -> re.Match[str] | None:
        ana.get("/taskadmin/runs/?state=succeeded")
        return re.search(r'data-label="Result"><span title="([\d.]+)"', ana.page)

    result = wait_for(shown, what="the result in the page")
    assert 1 <= float(result[1]) <= 6
    assert "Dice" in ana.page
    ana.get("/taskadmin/review/")
    assert re.search(r'>Ana</a>\s*</td>\s*<td class="num" data-label="Tasks">1</td>', ana.page)
