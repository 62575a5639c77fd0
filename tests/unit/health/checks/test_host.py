"""The host's SECRET_KEY, and whether its Flask-Migrate would drop taskadmin's tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

import taskadmin
from services.servers.databases import bare_app
from taskadmin import Models, TaskAdmin
from taskadmin.health.checks.host import include_object, secret_key
from taskadmin.health.finding import Answer, Status
from taskadmin.models import Base


def look(folder: Path | str = "nowhere", **arguments: Any) -> Answer:
    """Return the doctor's finding for a host with this Flask-Migrate configuration."""
    with bare_app("sqlite://") as app:
        db = app.extensions["sqlalchemy"]
        flask_migrate.Migrate(app, db, directory=str(folder), **arguments)
        return include_object(app)


def own(object_: Any, name: str, type_: str, reflected: bool, compare_to: Any) -> bool:
    """A host's function that calls taskadmin's."""
    if name == "spatial_ref_sys":
        return False
    return taskadmin.include_object(object_, name, type_, reflected, compare_to)


def by_name(name: str, type_: str, parents: Any) -> bool:
    """A host's own filter, without taskadmin's function."""
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
    """Any function, by its results for taskadmin's tables."""
    answer = look(**arguments)
    assert answer == (Status.OK, "Flask-Migrate ignores taskadmin's tables.", None)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"include_object": lambda *_: True},
        {"include_name": lambda *_: True},
    ],
)
def test_without_a_filter_the_next_migration_drops_them(arguments: dict[str, Any]) -> None:
    """The fix is the line to add."""
    answer = look(**arguments)
    number = len(Base.metadata.tables)
    assert answer.status == Status.PROBLEM
    assert answer.found.startswith("The next flask db migrate would drop taskadmin's tables: ")
    assert answer.found.endswith(f" and {number} more.")  # and the version table
    assert answer.fix == "Migrate(app, db, include_object=taskadmin.include_object)"


def test_filter_that_forgets_the_version_table() -> None:
    """Alembic only ignores its own one."""
    tables = set(Base.metadata.tables)
    answer = look(include_object=lambda object_, name, *_: name not in tables)
    assert answer.status == Status.PROBLEM
    assert answer.found.endswith("it sees taskadmin_alembic_version.")


def test_filter_that_fails() -> None:
    """The host's exception is shown."""
    answer = look(include_object=lambda: True)
    assert answer.status == Status.WARNING
    assert answer.found.startswith("Flask-Migrate's filter failed: TypeError: ")


@pytest.mark.parametrize(
    ("environment", "status"),
    [
        ("context.configure(include_object=taskadmin.include_object)", Status.OK),
        ("context.configure(include_name=ours_only)", Status.WARNING),
        ("context.configure()", Status.PROBLEM),
    ],
)
def test_filters_in_env_py_cant_be_tried(tmp_path: Path, environment: str, status: Status) -> None:
    """Running env.py would connect, so its text is searched."""
    (tmp_path / "env.py").write_text(environment)
    assert look(tmp_path).status == status


def test_hosts_without_flask_migrate_have_nothing_to_filter() -> None:
    """Other ways to run Alembic can't be checked."""
    assert include_object(Flask("shop")).status == Status.OK


RANDOM = "8f42a73054b1749f8f58848be5e6502c"


def key_of(key: Any, *, identity: Any = None, **config: Any) -> Answer:
    """Return the doctor's finding for a host with this key."""
    app = Flask("shop")
    app.config.update(SECRET_KEY=key, SQLALCHEMY_DATABASE_URI="sqlite://", **config)
    TaskAdmin().init_app(app, db=SQLAlchemy(app), identity=identity)
    return secret_key(app)


@pytest.mark.parametrize("key", [None, "", b""])
def test_a_missing_key_is_a_problem(key: Any) -> None:
    """Nobody can log in."""
    answer = key_of(key)
    assert answer.status == Status.PROBLEM
    assert answer.found == "SECRET_KEY isn't set, so nobody can log in or send a form."
    assert answer.fix is not None and "secrets.token_hex()" in answer.fix


@pytest.mark.parametrize(
    ("key", "weakness"),
    [
        *(
            (key, "looks like an example")
            for key in (
                *("dev", "DEV", "dev-key-of-this-shop", "development", "change-me", "changeme"),
                *("please change this in production", "super secret key", "your-key-goes-here"),
                *("you-will-never-guess", "hard to guess string", "only for tests"),
                *(
                    b"password",
                    b'_5#y2L"F4Q8z\n\xec]/',
                    "<replace_me>",
                    "django-insecure-8f42a7305",
                ),
                "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
            )
        ),
        ("8f42a73054b1749", "is too short"),
        ("1", "is too short"),
        ("x" * 64, "is too short"),
    ],
)
def test_a_key_that_can_be_guessed(key: Any, weakness: str) -> None:
    """Placeholders, those of tutorials and of Flask's documentation, and short ones."""
    answer = key_of(key)
    assert answer.status == Status.WARNING
    assert answer.found.startswith(f"SECRET_KEY {weakness}: ")
    assert str(key) not in answer.found


@pytest.mark.parametrize("key", [RANDOM, bytes.fromhex(RANDOM), RANDOM.encode()])
def test_a_random_key(key: Any) -> None:
    """As text and as bytes."""
    assert key_of(key) == (Status.OK, "SECRET_KEY is set, and can't be guessed.", None)


def test_an_earlier_key_that_is_still_accepted() -> None:
    """Flask 3.1 takes signatures with any of SECRET_KEY_FALLBACKS."""
    answer = key_of(RANDOM, SECRET_KEY_FALLBACKS=[RANDOM[::-1], "dev"])
    assert answer.status == Status.WARNING
    assert answer.found.startswith("SECRET_KEY_FALLBACKS looks like an example")
    assert answer.fix == "Remove it from SECRET_KEY_FALLBACKS."


@pytest.mark.parametrize(
    ("key", "status"), [(None, Status.PROBLEM), ("dev", Status.WARNING), (RANDOM, Status.OK)]
)
def test_a_key_for_forms_only(key: Any, status: Status) -> None:
    """A host that keeps its sessions on the server needs no other one."""
    assert key_of(None, identity=lambda: None, WTF_CSRF_SECRET_KEY=key).status == status


def test_a_worker_without_pages_needs_no_key() -> None:
    """It signs nothing."""
    app = Flask("worker")
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    Models().init_app(app, db=SQLAlchemy(app))
    assert secret_key(app).status == Status.OK
