"""A new database, and a browser, for each host.

Run by ``nox -s hosts`` in an environment with the wheel, outside the repository.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from processes import (  # noqa: F401 - fixtures
    create_task,
    postgresql_url,
    rabbitmq,
    redis_url,
    run_by_worker,
    start,
    start_task,
    wait_until,
)
from werkzeug.test import Client, TestResponse

import taskadmin
from taskadmin import service

PASSWORD = "correct horse battery"


def pytest_configure() -> None:
    """Refuse to test the sources instead of the wheel."""
    if "site-packages" not in Path(taskadmin.__file__).parts:
        raise pytest.UsageError(f"{taskadmin.__file__} isn't the wheel: run nox -s hosts.")


@pytest.fixture
def database_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of a new SQLite database, in ``DATABASE_URL``, too."""
    url = f"sqlite:///{tmp_path}/host.sqlite"
    monkeypatch.setenv("DATABASE_URL", url)
    return url


class Browser:
    """What a user does with the pages of an application that is mounted at *root*.

    It submits the CSRF token of the form's page, and checks that all links and redirects of
    taskadmin's pages stay below *root*.
    """

    def __init__(self, app: Flask, *, wsgi: Any = None, root: str = "") -> None:
        self.app = app
        self.root = root
        self.client = Client(wsgi or app)

    def open(self, path: str) -> TestResponse:
        """Open a page and follow its redirects."""
        answer = self.client.get(self.root + path)
        while answer.location is not None:
            answer = self.client.get(self._below_root(answer.location))
        if "/taskadmin/" in answer.request.path:
            for link in re.findall(r' (?:href|src|action|formaction)="(/[^"]*)"', answer.text):
                self._below_root(link)
        return answer

    def submit(self, path: str, /, form: str | None = None, **fields: str) -> TestResponse:
        """Submit a form at *path*, with the token of the page *form*, by default the same."""
        page = self.open(form or path)
        assert page.status_code == 200, page.text
        name = self.app.config.get("WTF_CSRF_FIELD_NAME", "csrf_token")
        token = re.search(rf'name="{name}"[^>]* value="([^"]+)"', page.text)
        assert token is not None, page.text
        answer = self.client.post(self.root + path, data={**fields, name: token[1]})
        if answer.location is not None:
            self._below_root(answer.location)
        return answer

    def log_in(self) -> None:
        """Log in to taskadmin's own accounts."""
        with self.app.app_context():
            if service.find_user("ana") is None:
                service.create_user("ana", password=PASSWORD, is_superuser=True)
        answer = self.submit("/taskadmin/login", username="ana", password=PASSWORD)
        assert answer.status_code == 302, answer.text

    def create_and_delete_a_task(self) -> None:
        """Create a task, look at it, and delete it."""
        new, tasks = "/taskadmin/tasks/new/", "/taskadmin/tasks/"
        job = {"job": "generate_random_number", "lower_limit": "0", "upper_limit": "1"}
        answer = self.submit(new, name="dice", **job)
        assert answer.status_code == 302, answer.text
        assert "dice" in self.client.get(answer.location).text
        answer = self.submit("/taskadmin/tasks/delete/", form=tasks, id="1")
        assert answer.status_code == 302, answer.text
        assert "No tasks" in self.open(tasks).text

    def _below_root(self, address: str) -> str:
        path = urlsplit(address).path
        assert path.startswith(f"{self.root}/"), f"{address} is out of {self.root}"
        return address


@pytest.fixture
def browser(app: Flask, taskadmin_tables: None) -> Browser:
    """A browser of the host's pages, not logged in."""
    return Browser(app)


@pytest.fixture
def make_browser(app: Flask) -> Callable[..., Browser]:
    """Create a browser, also of a WSGI application that serves the host's pages below a prefix."""
    return partial(Browser, app)
