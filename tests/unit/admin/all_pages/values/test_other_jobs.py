"""Tasks of a host's jobs, without the built-in job's fields."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from taskadmin.models import Task

PARAMS = {"customer": 7, "text": "<b>"}


@pytest.fixture
def task(make_task: MakeTask) -> Task:
    """A task of a host's job."""
    return make_task(name="Bill", job="host.bill", params=PARAMS)


def test_an_edit_keeps_the_arguments(session: Session, superuser: FlaskClient, task: Task) -> None:
    """Name and switch change; sent limits aren't arguments of this job."""
    answer = superuser.post(
        f"/taskadmin/tasks/edit/?id={task.id}",
        data={"name": "Bills", "version": "1", "lower_limit": "0", "upper_limit": "1"},
    )

    assert answer.status_code == 302
    session.expire_all()
    assert (task.name, task.enabled, task.version) == ("Bills", False, 2)
    assert (task.params, task.lower_limit, task.upper_limit) == (PARAMS, None, None)


@pytest.mark.databases("sqlite")
def test_its_pages_ask_for_no_limits(superuser: FlaskClient, task: Task) -> None:
    """The form has its editable fields, other pages show arguments as text."""
    form = superuser.get(f"/taskadmin/tasks/edit/?id={task.id}").text
    superuser.post("/taskadmin/tasks/action/", data={"action": "run_now", "rowid": str(task.id)})

    assert 'name="name"' in form
    assert "lower_limit" not in form and "upper_limit" not in form
    for path in ("tasks/", f"tasks/details/?id={task.id}", "runs/", "runs/details/?id=1"):
        page = superuser.get(f"/taskadmin/{path}")
        assert page.status_code == 200, path
        assert "host.bill" in page.text or path == "runs/"
        assert "<b>" not in page.text.replace("<b>queued", "").replace("<b>skipped", "")
