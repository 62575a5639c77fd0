"""A worker without any page, on PostgreSQL and RabbitMQ."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
CELERY = ("celery", "-A", "job_worker:celery")


@pytest.fixture
def app(postgresql_url, rabbitmq, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", postgresql_url)
    monkeypatch.setenv("BROKER_URL", rabbitmq)
    monkeypatch.syspath_prepend(FOLDER)
    from job_worker import app

    return app


def test_it_runs_jobs(app, run_by_worker, start):
    """It has neither accounts nor views, and no SECRET_KEY."""
    worker = start(
        *CELERY, "worker", "-Q", "taskadmin.runs", "-c", "1", "-l", "INFO", folder=FOLDER
    )
    worker.wait_for(" ready.")
    assert run_by_worker(app, "count_boxes", shelf="four").value == 4
    assert set(app.blueprints) == set()
