"""A host with Flask-Migrate, whose migrations leave taskadmin's tables alone."""

from pathlib import Path

import pytest
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import inspect

import taskadmin
from taskadmin import TaskAdmin

db = SQLAlchemy()
# docs: begin
migrate = Migrate(include_object=taskadmin.include_object)
# docs: end


def create_app(**config):
    app = Flask("shop")
    app.config.update(config)
    db.init_app(app)
    migrate.init_app(app, db)
    TaskAdmin().init_app(app, db=db)
    return app


class Invoice(db.Model):
    """A table of the host."""

    id = db.Column(db.Integer, primary_key=True)


@pytest.fixture
def app(database_url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app = create_app(
        SECRET_KEY="only for tests",
        SQLALCHEMY_DATABASE_URI=database_url,
        CELERY={"broker_url": "memory://"},
    )
    flask_db(app, "init")
    return app


def flask_db(app, *command, status=0):
    """Run ``flask db``."""
    # A new application, as each command has one: Flask-Migrate keeps what a command configured.
    again = create_app(**app.config)
    done = again.test_cli_runner().invoke(args=["db", *command])
    assert done.exit_code == status, done.output


def written() -> str:
    """Return all of the host's migrations."""
    return "".join(file.read_text() for file in Path("migrations/versions").glob("*.py"))


def tables(app):
    """Return the names of all tables."""
    with app.app_context():
        return set(inspect(db.engine).get_table_names())


def test_the_hosts_migrations_leave_taskadmins_tables_alone(app, taskadmin_tables):
    """Autogenerate finds the host's table only, and then nothing: ``flask db check``."""
    flask_db(app, "check", status=1)
    flask_db(app, "migrate")
    flask_db(app, "upgrade")
    assert "create_table('invoice'" in written()
    assert "taskadmin" not in written()
    flask_db(app, "check")


def test_both_are_migrated_in_any_order(app, request):
    """Neither finds the other's revisions."""
    flask_db(app, "migrate")
    flask_db(app, "upgrade")
    request.getfixturevalue("taskadmin_tables")
    taskadmin.migrations.check(app)
    flask_db(app, "upgrade")
    flask_db(app, "downgrade", "base")
    assert "invoice" not in tables(app)
    taskadmin.migrations.check(app)


def test_the_host_works_on_without_taskadmin(app, monkeypatch):
    """After ``flask taskadmin uninstall``, autogenerate finds nothing, also without the filter."""
    taskadmin.migrations.upgrade(app)
    flask_db(app, "migrate")
    flask_db(app, "upgrade")
    done = app.test_cli_runner().invoke(args=["taskadmin", "uninstall", "--yes"])
    assert done.exit_code == 0, done.output
    assert tables(app) == {"invoice", "alembic_version"}
    monkeypatch.setattr(migrate, "alembic_ctx_kwargs", {})
    flask_db(app, "check")
    flask_db(app, "downgrade", "base")
    flask_db(app, "upgrade")
    assert tables(app) == {"invoice", "alembic_version"}


def test_without_the_filter_autogenerate_would_drop_the_tables(app, taskadmin_tables, monkeypatch):
    """The generated migration drops taskadmin's tables; doctor says so."""
    monkeypatch.setattr(migrate, "alembic_ctx_kwargs", {})
    flask_db(app, "migrate")
    assert "drop_table('taskadmin_task')" in written()
    again = create_app(**app.config)
    done = again.test_cli_runner().invoke(args=["taskadmin", "doctor"])
    assert "The next flask db migrate would drop taskadmin's tables" in done.output


def test_the_hosts_create_all_makes_none_of_the_tables(app):
    """The models have their own metadata, so the host's create_all doesn't create them."""
    with app.app_context():
        db.create_all()
    assert tables(app) == {"invoice"}
