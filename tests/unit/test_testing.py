"""The fixtures that ship for hosts' tests, used as a host's conftest.py uses them."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

CONFTEST = """
import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from taskadmin import Identity, Run, TaskAdmin, job

pytest_plugins = ["taskadmin.testing"]


@job(name="greet")
def greet(name: str, run: Run) -> str:
    run.log("greeting")
    if name == "nobody":
        raise ValueError("There is nobody.")
    return f"Hello {name}"


@pytest.fixture
def app():
    app = Flask("host")
    app.config.update(TESTING=True, SECRET_KEY="tests", SQLALCHEMY_DATABASE_URI=URL)
    app.config["CELERY"] = {"broker_url": "amqp://127.0.0.1:1//"}
    TaskAdmin().init_app(app, db=SQLAlchemy(app), identity=IDENTITY, login_url=SIGN_IN)
    return app
"""

TESTS = """
import pytest
from taskadmin.errors import InvalidArguments, UnknownJob


def test_a_result(run_now):
    run = run_now("greet", name="Ada")
    assert (run.state, run.value) == ("succeeded", "Hello Ada")


def test_a_failure(run_now):
    run = run_now("greet", name="nobody")
    assert (run.state, run.error_type) == ("failed", "ValueError")
    assert run.error.endswith("ValueError: There is nobody.\\n")


def test_wrong_arguments(run_now):
    with pytest.raises(InvalidArguments, match="name"):
        run_now("greet")
    with pytest.raises(UnknownJob):
        run_now("wave")


def test_pages(taskadmin_client, run_now):
    run = run_now("greet", name="Ada")
    page = taskadmin_client.get(f"/taskadmin/runs/details/?id={run.id}")
    assert page.status_code == 200
    assert "Hello Ada" in page.text


def test_tables_are_empty_again(run_now):
    assert run_now("greet", name="Ada").id == 1
"""


@pytest.mark.parametrize("where", ["memory", "file"])
def test_a_host_tests_its_jobs_and_pages(pytester: pytest.Pytester, where: str) -> None:
    """Without broker and worker, on a database in memory or in a file."""
    url = "sqlite://" if where == "memory" else f"sqlite:///{pytester.path}/tests.sqlite"
    pytester.makeconftest(
        CONFTEST.replace("URL", repr(url)).replace("IDENTITY", "None").replace("SIGN_IN", "None")
    )
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_subprocess("-q", "-W", "error")
    result.assert_outcomes(passed=5)


def test_hosts_with_their_own_users_log_in_by_themselves(pytester: pytest.Pytester) -> None:
    """The error says so."""
    identity = 'lambda: Identity("ada", is_superuser=True)'
    pytester.makeconftest(
        CONFTEST.replace("URL", "'sqlite://'")
        .replace("IDENTITY", identity)
        .replace("SIGN_IN", '"/login"')
    )
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_subprocess("-q", "-W", "error")
    result.assert_outcomes(passed=4, errors=1)
    result.stdout.fnmatch_lines(["*'host' has identity=: log in as its own users do*"])
