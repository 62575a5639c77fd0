"""Tasks that can't run."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from taskadmin.jobs import job, registry
from taskadmin.store.database import clock
from taskadmin.store.reports.attention.blocked_tasks import blocked_tasks


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_jobs", dict(registry._jobs))


def test_orphaned_and_invalid_tasks_are_found(session: Session, make_task: MakeTask) -> None:
    """Active ones that aren't deleted; a mended one isn't listed any more."""

    @job(name="a_job")
    def renamed(address: str) -> None: ...

    make_task()
    make_task(name="Orphan", job="gone")
    unfit = make_task(name="Unfit", job="a_job", params={"url": "x"})
    make_task(name="Paused", job="gone", enabled=False)
    make_task(name="Deleted", job="gone").deleted_at = clock.now(session)
    session.commit()

    found = blocked_tasks(session, limit=5).by_job

    assert [one.task for one in found] == ["Orphan", "Unfit"]
    assert found[0].reason == "No job named gone is registered."
    assert found[1].reason.startswith("Its arguments don't fit the job: ")
    assert [one.task for one in blocked_tasks(session, limit=1).by_job] == ["Orphan"]
    unfit.enabled = False
    session.commit()
    assert [one.task for one in blocked_tasks(session, limit=5).by_job] == ["Orphan"]
