"""A host with tables of its own and Flask-Migrate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import flask_migrate
import pytest
from alembic import command
from alembic.config import Config
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL, create_engine, inspect
from sqlalchemy.orm import Mapped, mapped_column

import taskadmin
from services.databases import dispose_engines
from taskadmin import Migrations, Models, migrations

#: What Flask-Migrate's template would write into a folder, without its logging.
ENV = """
from alembic import context
from flask import current_app

migrate = current_app.extensions["migrate"]
with migrate.db.engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=migrate.db.metadata,
        **migrate.configure_args,
    )
    with context.begin_transaction():
        context.run_migrations()
"""


class Host:
    """An application that sells things, with its own migrations in *folder*."""

    def __init__(self, url: URL, folder: Path, *, filtered: bool) -> None:
        self.app = Flask("shop")
        self.app.config["SQLALCHEMY_DATABASE_URI"] = url
        self.db = db = SQLAlchemy(self.app)

        class Invoice(db.Model):  # type: ignore[name-defined, misc]
            """The host's own table; its name doesn't matter, only that it stays."""

            id: Mapped[int] = mapped_column(primary_key=True)

        migrate = flask_migrate.Migrate(compare_type=True)
        arguments = {"include_object": taskadmin.include_object} if filtered else {}
        migrate.init_app(self.app, db, directory=str(folder), **arguments)
        Models().init_app(self.app, db=db)
        Migrations().init_app(self.app)
        self.folder = folder
        (folder / "versions").mkdir(parents=True)
        (folder / "env.py").write_text(ENV)
        template = Path(flask_migrate.__file__).parent / "templates/flask/script.py.mako"
        (folder / "script.py.mako").write_text(template.read_text())

    def config(self) -> Config:
        config = Config()
        config.set_main_option("script_location", str(self.folder))
        config.set_main_option("path_separator", "os")
        return config

    def migrate(self, message: str) -> str:
        """Like ``flask db migrate``: write a revision and return its text."""
        before = set((self.folder / "versions").glob("*.py"))
        with self.app.app_context():
            command.revision(self.config(), message, autogenerate=True)
        (written,) = set((self.folder / "versions").glob("*.py")) - before
        return written.read_text()

    def upgrade(self) -> None:
        """Like ``flask db upgrade``."""
        with self.app.app_context():
            command.upgrade(self.config(), "head")

    def downgrade(self) -> None:
        """Like ``flask db downgrade base``."""
        with self.app.app_context():
            command.downgrade(self.config(), "base")

    def tables(self) -> set[str]:
        engine = create_engine(self.app.config["SQLALCHEMY_DATABASE_URI"])
        try:
            return set(inspect(engine).get_table_names())
        finally:
            engine.dispose()


@pytest.fixture
def host(empty_database_url: URL, tmp_path: Path) -> Iterator[Host]:
    """A host that passes taskadmin's filter, as the documentation says."""
    host = Host(empty_database_url, tmp_path / "migrations", filtered=True)
    yield host
    dispose_engines(host.app)


def test_the_hosts_migration_leaves_taskadmins_tables_alone(host: Host) -> None:
    """With the filter, autogenerate finds the host's table and nothing else."""
    migrations.upgrade(host.app)
    written = host.migrate("invoices")
    assert "create_table('invoice'" in written
    assert "taskadmin" not in written
    host.upgrade()
    assert "pass" in host.migrate("nothing")


def test_both_are_migrated_in_any_order(host: Host) -> None:
    """Neither sees the other's revisions."""
    host.migrate("invoices")
    host.upgrade()
    migrations.upgrade(host.app)
    migrations.check(host.app)
    host.upgrade()
    assert {"invoice", "alembic_version", "taskadmin_task", "taskadmin_alembic_version"} <= (
        host.tables()
    )


def test_the_host_goes_back_alone(host: Host) -> None:
    """A plain downgrade of the host doesn't take taskadmin's tables."""
    host.migrate("invoices")
    host.upgrade()
    migrations.upgrade(host.app)
    host.downgrade()
    assert "invoice" not in host.tables()
    migrations.check(host.app)


def test_taskadmin_goes_without_a_trace_in_the_hosts_migrations(host: Host) -> None:
    """After its tables are gone, the host's own migrations work as before."""
    migrations.upgrade(host.app)
    host.migrate("invoices")
    host.upgrade()
    migrations.downgrade(host.app, "base")
    assert host.tables() == {"invoice", "alembic_version", "taskadmin_alembic_version"}
    host.downgrade()
    host.upgrade()
    assert "invoice" in host.tables()


def test_without_the_filter_autogenerate_would_drop_the_tables(
    empty_database_url: URL, tmp_path: Path
) -> None:
    """This is what the filter is for: a host that forgets it writes this migration."""
    host = Host(empty_database_url, tmp_path / "migrations", filtered=False)
    try:
        migrations.upgrade(host.app)
        assert "drop_table('taskadmin_task')" in host.migrate("oops")
    finally:
        dispose_engines(host.app)


def test_the_hosts_create_all_makes_none_of_the_tables(host: Host) -> None:
    """The models have metadata of their own; a host's create_all is about the host."""
    with host.app.app_context():
        host.db.create_all()
    assert host.tables() == {"invoice"}
