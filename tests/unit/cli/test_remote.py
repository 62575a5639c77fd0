"""``flask taskadmin --url``: another site, by its API."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from flask import Flask, Response
from werkzeug.serving import make_server

from fixture_types import MakeTask
from taskadmin import service
from taskadmin.api import Api
from taskadmin.models import User
from taskadmin.service import Scope

pytestmark = pytest.mark.databases("sqlite")
Run = Callable[..., str]


@pytest.fixture
def site(app: Flask) -> Iterator[str]:
    """The address of a running site with the API."""
    Api().init_app(app)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/taskadmin"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def run(app: Flask, site: str, chief: User, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command with the site's address and a token; return its output."""
    with app.app_context():
        token = service.create_token(chief.id, name="cli", scopes=[Scope.MANAGE]).secret
    monkeypatch.setenv("TASKADMIN_TOKEN", token)

    def call(*arguments: str, url: str = site, code: int = 0) -> str:
        done = app.test_cli_runner().invoke(args=["taskadmin", "--url", url, *arguments])
        assert done.exit_code == code, done.output
        return done.output

    return call


def test_tasks_are_shown_and_changed_by_api(run: Run, make_task: MakeTask) -> None:
    """The same names as for this application's tasks."""
    task_id = str(make_task(name="Dice").id)
    make_task(name="Other")

    assert "is paused" in run("tasks", "pause", task_id, "--note", "Lunch")
    assert "paused" in run("tasks", "list", "--search", "Dice")
    assert "Other" not in run("tasks", "list", "--search", "Dice")
    assert "is active" in run("tasks", "resume", task_id)
    assert "run 1" in run("tasks", "run", task_id)
    assert "Dice" in run("runs", "list") and '"state": "queued"' in run("runs", "list", "--json")
    assert "name: Dice" in run("tasks", "export")
    assert "generate_random_number" in run("jobs", "list")


def test_help_lists_the_commands_for_other_sites(run: Run) -> None:
    """And not those of this application."""
    names = [line.split()[0] for line in run("--help").partition("Commands:\n")[2].splitlines()]
    assert names == ["jobs", "runs", "tasks"]
    assert "No such command 'db'" in run("db", "upgrade", code=2)


def test_errors_of_the_api_are_sentences(run: Run) -> None:
    """With the status."""
    assert "404: There is no task 7." in run("tasks", "run", "7", code=1)
    assert run("tasks", "list", "--search", "state:", code=1).count("Enter a value") == 1
    assert run("audit", code=2).rstrip().endswith("No such command 'audit'.")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://example.org/taskadmin", "has to begin with https://"),
        ("http://127.0.0.1:9/taskadmin", "can't be reached: Connection refused"),
    ],
)
def test_the_token_isnt_sent_to_addresses_that_cant_be(run: Run, url: str, expected: str) -> None:
    """Others could read it on the way."""
    assert expected in run("tasks", "list", url=url, code=1)


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (200, "text/html", "<p>Hello"),
        (502, "text/html", "<p>Bad gateway"),
        (302, "text/html", ""),
        (308, "application/json", "{}"),
        (200, "application/json", '{"status": "ok"}'),
        (200, "application/json", "[1]"),
        (200, "application/json", "null"),
        (400, "application/json", '"no"'),
        (500, "application/json", '{"errors": null}'),
    ],
)
def test_an_answer_of_something_else_is_explained(
    app: Flask, run: Run, site: str, status: int, kind: str, body: str
) -> None:
    """With its status and type: another program, a proxy, or a site without the API."""
    app.add_url_rule(
        "/other/api/v1/tasks", view_func=lambda: Response(body, status, content_type=kind)
    )
    told = run("tasks", "list", url=site.replace("/taskadmin", "/other"), code=1)
    assert f"has no answer of the API, but {status} " in told and f"({kind})" in told


@pytest.mark.parametrize("wrong", ["taskadmin_…", "taskadmin_swordfish\nX: y"])
def test_a_token_that_cant_be_sent_isnt_repeated(
    run: Run, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    """Logs would have it; the end of a line that a file's last one has is none of it."""
    monkeypatch.setenv("TASKADMIN_TOKEN", wrong)
    told = run("tasks", "list", code=1)
    assert "TASKADMIN_TOKEN has characters" in told and "swordfish" not in told
    monkeypatch.setenv("TASKADMIN_TOKEN", "unknown\n")
    assert "401: " in run("tasks", "list", code=1)


def test_a_token_is_needed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the environment, where other users don't see it."""
    monkeypatch.delenv("TASKADMIN_TOKEN")
    assert "Set TASKADMIN_TOKEN" in run("tasks", "list", code=1)
