"""What a worker or a ``flask`` command loads of taskadmin: each start of a process pays for it."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

HOST = """
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from taskadmin import TaskAdmin

app = Flask("shop")
app.config["SECRET_KEY"] = "not secret"
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
TaskAdmin().init_app(app, db=SQLAlchemy(app))
"""
#: For one command, people who log in, demos, and jobs whose docstring has sections.
NOT_NEEDED = {
    "argon2",
    "celery.beat",
    "celery.worker.consumer",
    "docstring_parser",
    "precis_i18n",
    "pygal",
    "taskadmin.health.doctor",
    "taskadmin.queue.embedded",
    "taskadmin.queue.round_trip",
}


def loaded_by(code: str) -> set[str]:
    """The modules that a process of its own has loaded after *code*."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import taskadmin", id="import"),
        pytest.param(HOST, id="host"),
        # Flask loads the commands of every installed package, whichever command it is given.
        pytest.param(f"{HOST}\nimport taskadmin.cli", id="command"),
    ],
)
def test_what_a_process_does_not_need_is_not_loaded(code: str) -> None:
    """Neither the import nor ``init_app`` loads what few processes ever use."""
    loaded = loaded_by(code)

    assert "taskadmin.extension" in loaded
    assert loaded & NOT_NEEDED == set()


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("taskadmin.health", "examine"),
        ("taskadmin.health", "Finding"),
        ("taskadmin.health", "Status"),
        ("taskadmin.health", "as_json"),
        ("taskadmin.health", "as_text"),
        ("taskadmin.queue", "EMBEDDED_CELERY"),
        ("taskadmin.queue", "EmbeddedProcesses"),
        ("taskadmin.queue", "RoundTrip"),
        ("taskadmin.queue", "measure_round_trip"),
    ],
)
def test_what_is_loaded_later_is_imported_as_ever(package: str, name: str) -> None:
    """``from taskadmin.queue import EmbeddedProcesses`` works as if it had been there."""
    assert package in loaded_by(f"from {package} import {name}")


@pytest.mark.parametrize("package", ["taskadmin.health", "taskadmin.queue"])
def test_a_name_that_is_not_there_is_refused_as_ever(package: str) -> None:
    """A mistyped name is told at once."""
    module = import_module(package)
    with pytest.raises(AttributeError) as caught:
        _ = module.mistyped
    assert str(caught.value) == f"module '{package}' has no attribute 'mistyped'"
