"""Commands on a host with a job that takes a secret."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import Result
from flask import Flask
from pydantic import SecretStr

from taskadmin.cli import taskadmin_cli
from taskadmin.jobs import job, registry

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove a test's jobs at its end."""
    monkeypatch.setattr(registry, "_jobs", dict(registry._jobs))

    @job(name="mail")
    def mail(to: str, password: SecretStr, copies: int = 1) -> None:
        """Send a mail."""


@pytest.fixture
def run(app: Flask) -> Run:
    """Run a command; with *fails*, the exit code must be 1."""

    def invoke(*arguments: str, fails: bool = False, text: str | None = None) -> Result:
        done = app.test_cli_runner().invoke(taskadmin_cli, list(arguments), input=text)
        assert done.exit_code == (1 if fails else 0), done.output
        return done

    return invoke
