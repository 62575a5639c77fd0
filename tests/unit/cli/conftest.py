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
    """Jobs of one test are unknown to the next."""
    monkeypatch.setattr(registry, "_jobs", dict(registry._jobs))

    @job(name="mail")
    def mail(to: str, password: SecretStr, copies: int = 1) -> None:
        """Send a mail."""


@pytest.fixture
def run(app: Flask) -> Run:
    """Runs a command; with *fails* it has to end with 1."""

    def invoke(*arguments: str, fails: bool = False, text: str | None = None) -> Result:
        done = app.test_cli_runner().invoke(taskadmin_cli, list(arguments), input=text)
        assert done.exit_code == (1 if fails else 0), done.output
        return done

    return invoke
