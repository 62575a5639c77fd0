"""A host whose tests have ``task_always_eager``."""

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from taskadmin import TaskAdmin, service


@pytest.fixture
def app(database_url):
    app = Flask("shop")
    app.config.update(
        TESTING=True,
        SECRET_KEY="only for tests",
        SQLALCHEMY_DATABASE_URI=database_url,
        CELERY={"task_always_eager": True, "broker_url": "memory://"},
    )
    TaskAdmin().init_app(app, db=SQLAlchemy(app))
    return app


def test_jobs_run_in_the_tests_process(run_now):
    """With the fixture."""
    assert run_now("generate_random_number", lower_limit=0, upper_limit=1).state == "succeeded"


def test_pages_work(browser):
    """Without a broker."""
    browser.log_in()
    browser.create_and_delete_a_task()


def test_a_task_that_is_started_stays_queued(app, browser):
    """It isn't executed in the web process: that would hold up the page for as long as it takes."""
    browser.log_in()
    job = {"job": "generate_random_number", "lower_limit": "0", "upper_limit": "1"}
    browser.submit("/taskadmin/tasks/new/", name="dice", **job)
    tasks = "/taskadmin/tasks/"
    browser.submit("/taskadmin/tasks/action/", form=tasks, action="run_now", rowid="1")
    assert "it isn&#39;t sent to workers while Celery" in browser.open(tasks).text
    with app.app_context():
        [run] = service.find_runs()
        assert run.state == "queued"


def test_no_worker_is_pinged(app, browser):
    """This process would reply to itself."""
    browser.log_in()
    workers = "/taskadmin/workers/"
    browser.submit("/taskadmin/workers/ask/", form=workers)
    assert "No worker was asked, because Celery" in browser.open(workers).text
    done = app.test_cli_runner().invoke(args=["taskadmin", "ping"])
    assert done.exit_code == 1
    assert "task_always_eager is on" in done.output


def test_doctor_says_so(app, taskadmin_tables):
    """Since production must not have it."""
    done = app.test_cli_runner().invoke(args=["taskadmin", "doctor"])
    assert "task_always_eager" in done.output
