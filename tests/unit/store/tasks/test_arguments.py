"""Arguments without secrets."""

from __future__ import annotations

from pydantic import SecretStr

from taskadmin.jobs import job
from taskadmin.jobs.registry import _jobs
from taskadmin.models import Task, TaskResult
from taskadmin.store.tasks.arguments import arguments_of, without_secrets


def test_secrets_stay_masked_without_the_job() -> None:
    """The row has the names of secrets."""
    params = {"token": "hush", "_masked": ["token"], "to": "ana"}
    shown = {"token": "••••••", "to": "ana"}
    assert arguments_of(TaskResult(job="gone", task_params=params)) == shown
    assert arguments_of(Task(job="gone", params=params)) == shown


def test_secrets_of_the_job_are_masked() -> None:
    """Also in rows from before they were secret."""

    @job(name="probe_shown")
    def probe(token: SecretStr, note: str = "") -> None:
        """Ask an address."""

    try:
        shown = without_secrets("probe_shown", {"token": "hush", "note": "x"}, ["note"])
    finally:
        del _jobs["probe_shown"]
    assert shown == {"token": "••••••", "note": "••••••"}
