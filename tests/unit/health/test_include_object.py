"""Whether the host's Flask-Migrate would drop our tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

import taskadmin
from taskadmin.health.finding import Answer, Status
from taskadmin.health.host_checks import include_object
from taskadmin.models import Base


def look(folder: Path | str = "nowhere", **arguments: Any) -> Answer:
    """The doctor's answer about a host that configures Flask-Migrate so."""
    app = Flask("shop")
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    flask_migrate.Migrate(app, SQLAlchemy(app), directory=str(folder), **arguments)
    return include_object(app)


def own(object_: Any, name: str, type_: str, reflected: bool, compare_to: Any) -> bool:
    """A host's function around ours."""
    if name == "spatial_ref_sys":
        return False
    return taskadmin.include_object(object_, name, type_, reflected, compare_to)


def by_name(name: str, type_: str, parents: Any) -> bool:
    """A host's own way, without taskadmin's function."""
    return type_ != "table" or not name.startswith("taskadmin_")


@pytest.mark.parametrize(
    "arguments",
    [
        {"include_object": taskadmin.include_object},
        {"include_object": own},
        {"include_name": by_name},
    ],
)
def test_filters_that_leave_our_tables_out(arguments: dict[str, Any]) -> None:
    """Whose function it is doesn't matter, only what it says of our tables."""
    answer = look(**arguments)
    assert answer == (Status.OK, "Flask-Migrate leaves taskadmin's tables out.", None)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"include_object": lambda *_: True},
        {"include_name": lambda *_: True},
    ],
)
def test_without_a_filter_the_next_migration_drops_them(arguments: dict[str, Any]) -> None:
    """The fix is the line to write."""
    answer = look(**arguments)
    number = len(Base.metadata.tables)
    assert answer.status == Status.PROBLEM
    assert answer.found.startswith("The next flask db migrate would drop taskadmin's tables: ")
    assert answer.found.endswith(f" and {number} more.")  # with the version table
    assert answer.fix == "Migrate(app, db, include_object=taskadmin.include_object)"


def test_filter_that_forgets_the_version_table() -> None:
    """Alembic leaves out its own one only."""
    tables = set(Base.metadata.tables)
    answer = look(include_object=lambda object_, name, *_: name not in tables)
    assert answer.status == Status.PROBLEM
    assert answer.found.endswith("it sees taskadmin_alembic_version.")


def test_filter_that_fails() -> None:
    """The host's own mistake is told as it is."""
    answer = look(include_object=lambda: True)
    assert answer.status == Status.WARNING
    assert answer.found.startswith("Flask-Migrate's filter can't be tried: TypeError: ")


@pytest.mark.parametrize(
    ("environment", "status"),
    [
        ("context.configure(include_object=taskadmin.include_object)", Status.OK),
        ("context.configure(include_name=ours_only)", Status.WARNING),
        ("context.configure()", Status.PROBLEM),
    ],
)
def test_filters_in_env_py_cant_be_tried(tmp_path: Path, environment: str, status: Status) -> None:
    """Running the host's env.py would connect and more; its text has to do."""
    (tmp_path / "env.py").write_text(environment)
    assert look(tmp_path).status == status


def test_hosts_without_flask_migrate_have_nothing_to_filter() -> None:
    """Nothing is known about other ways to run Alembic."""
    assert include_object(Flask("shop")).status == Status.OK
