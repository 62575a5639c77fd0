"""Modules that taskadmin loads in workers and ``flask`` commands."""

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
#: Used by single commands, log ins, demos, and jobs whose docstring has sections.
NOT_NEEDED = {
    "argon2",
    "celery.beat",
    "celery.worker.consumer",
    "confusable_homoglyphs",
    "docstring_parser",
    "precis_i18n",
    "pygal",
    "zxcvbn",
    "taskadmin.health.doctor",
    "taskadmin.queue.embedded",
    "taskadmin.queue.round_trip",
}


def loaded_by(code: str) -> set[str]:
    """Return the modules loaded by *code* in a new process."""
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
        # Flask loads the commands of all installed packages for any command.
        pytest.param(f"{HOST}\nimport taskadmin.cli", id="command"),
    ],
)
def test_rarely_used_modules_are_not_loaded(code: str) -> None:
    """Neither the import nor ``init_app`` loads rarely used modules."""
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
def test_lazy_exports_can_be_imported(package: str, name: str) -> None:
    """``from taskadmin.queue import EmbeddedProcesses`` still works."""
    assert package in loaded_by(f"from {package} import {name}")


@pytest.mark.parametrize("package", ["taskadmin.health", "taskadmin.queue"])
def test_an_unknown_name_is_an_attribute_error(package: str) -> None:
    """With the usual error."""
    module = import_module(package)
    with pytest.raises(AttributeError) as caught:
        _ = module.mistyped
    assert str(caught.value) == f"module '{package}' has no attribute 'mistyped'"
