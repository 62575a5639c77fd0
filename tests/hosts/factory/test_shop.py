"""The factory's commands, servers and workers, each started as its own process."""

import urllib.request
from pathlib import Path

import pytest
from processes import unused_port

FOLDER = Path(__file__).parent


@pytest.fixture(autouse=True)
def _settings(monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "only for tests")
    monkeypatch.setenv("BROKER_URL", "amqp://nobody@127.0.0.1:1//")
    monkeypatch.syspath_prepend(FOLDER)


@pytest.fixture
def app(database_url):
    from shop import create_app

    return create_app()


def test_pages(browser):
    """A superuser logs in, creates a task and deletes it, while the broker is down."""
    browser.log_in()
    browser.create_and_delete_a_task()


def test_a_job(run_now):
    """The job of the factory's module runs."""
    assert run_now("count_parcels", shelf="abc").value == 3


def test_commands_find_the_factory(database_url, start, monkeypatch):
    """``flask`` finds ``create_app``, and the commands of the README work in their order."""
    monkeypatch.setenv("PASSWORD", "correct horse battery")
    flask = ("flask", "--app", "shop", "taskadmin")
    assert "(latest)" in start(*flask, "db", "upgrade", folder=FOLDER).output()
    create = start(*flask, "create-superuser", "ana", "--password-env", "PASSWORD", folder=FOLDER)
    assert "Superuser ana created" in create.output()
    assert "count_parcels" in start(*flask, "jobs", "list", folder=FOLDER).output()


@pytest.mark.parametrize("workers", ["gthread", "gevent"])
def test_gunicorn_serves_the_pages(app, taskadmin_tables, start, workers):
    """With threads and with green threads: log in page and health check."""
    address = f"127.0.0.1:{unused_port()}"
    options = ("-k", workers, "--threads", "4", "-b", address)
    server = start("gunicorn", *options, "shop:create_app()", folder=FOLDER)
    server.wait_for("Booting worker")
    for page, text in (("login", "Log in"), ("healthz", "ok")):
        with urllib.request.urlopen(f"http://{address}/taskadmin/{page}", timeout=10) as answer:
            assert answer.status == 200
            assert text in answer.read().decode()


@pytest.mark.parametrize("pool", ["prefork", "gevent", "threads"])
def test_a_worker_starts_from_the_entry(rabbitmq, monkeypatch, start, request, pool):
    """A worker of each pool runs a job."""
    monkeypatch.setenv("BROKER_URL", rabbitmq)
    app, run_by_worker = map(request.getfixturevalue, ("app", "run_by_worker"))
    options = ("-Q", "taskadmin.runs", "-P", pool, "-c", "2", "-l", "INFO")
    start("celery", "-A", "make_celery", "worker", *options, folder=FOLDER).wait_for(" ready.")
    assert run_by_worker(app, "count_parcels", shelf="four").value == 4
