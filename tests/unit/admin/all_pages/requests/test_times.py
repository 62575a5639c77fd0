"""Times in the addresses of lists, as links of charts and of the range picker make them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import delete, insert, update
from sqlalchemy.orm import Session

from services.rows.launches import add_launch
from taskadmin.models import AuditEntry, RunState, TaskResult
from taskadmin.store.database import clock

#: By list, what shows the ids of its rows.
LISTS = {
    "runs": r"runs/details/\?id=(\d+)",
    "launches": r">launch (\d+)</span>",
    "audit": r"(?i)>task (\d+)</span>",
    "failures": r">run (\d+) of",
}


@pytest.fixture
def moment(session: Session, runs: list[TaskResult]) -> datetime:
    """Now; row 1 of each list is three days older than row 2, and there are no others."""
    moment = clock.now(session)
    for number, at in enumerate((moment - timedelta(days=3), moment), 1):
        failed = {"state": RunState.FAILED, "error_type": f"Boom{number}", "error": "boom"}
        session.execute(
            update(TaskResult).where(TaskResult.id == number).values(**failed, finished_at=at)
        )
        add_launch(session, runs[0].task_id, opened_at=at)
        session.execute(
            insert(AuditEntry).values(
                at=at,
                actor="ana",
                source="here",
                action="changed",
                subject_kind="task",
                subject_id=number,
                subject="a task",
            )
        )
    session.execute(delete(TaskResult).where(TaskResult.id > 2))
    session.commit()
    return moment


@pytest.mark.parametrize("name", LISTS)
def test_lists_have_times(superuser: FlaskClient, moment: datetime, name: str) -> None:
    """Rows of another time are left out, by each of the arguments."""

    def shown(query: str) -> list[int]:
        page = superuser.get(f"/taskadmin/{name}/?{query}")
        assert page.status_code == 200
        return sorted({int(number) for number in re.findall(LISTS[name], page.text)})

    day = (moment - timedelta(days=3)).date()
    assert shown("since=1d") == shown("at=today") == [2]
    assert shown(f"until={day}") == shown(f"at={day}") == [1]
    assert shown(f"between={day}..1d") == [1]
    assert shown("since=1w") == shown("") == [1, 2]
    assert shown("until=1w") == []


@pytest.mark.parametrize("name", LISTS)
def test_an_invalid_time_is_named(superuser: FlaskClient, moment: datetime, name: str) -> None:
    """And stays in the address for correction; exports are refused."""
    page = superuser.get(f"/taskadmin/{name}/?since=noon").text

    assert "“noon” is not a time. Times are such as 09:00" in page
    assert "since:noon" in page
    if name in ("runs", "audit"):
        assert superuser.get(f"/taskadmin/{name}/export/csv/?since=noon").status_code == 422


def test_times_stay_in_links_and_forms(superuser: FlaskClient, moment: datetime) -> None:
    """Tabs, older rows, exports, actions and the picker keep the rest of the filter."""
    runs = superuser.get("/taskadmin/runs/?state=failed&since=1d").text
    assert "export/csv/?since=1d&amp;state=failed" in runs
    assert '<input type="hidden" name="since" value="1d">' in runs
    assert 'href="/taskadmin/runs/?state=failed&amp;at=today"' in runs
    assert 'href="/taskadmin/runs/?state=failed"' in runs  # any time
    failures = superuser.get("/taskadmin/failures/?since=1d").text
    assert "runs/?since=1d&amp;" in failures or "&amp;since=1d" in failures
