"""Databases with taskadmin's tables: migrated once per test run, copied for each test."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL

from taskadmin import migrations
from taskadmin.models import Models

from .postgresql import PostgresqlServer


def migrate(url: URL) -> None:
    """Upgrade the database to the newest revision."""
    with bare_app(url) as app:
        migrations.upgrade(app)


@contextlib.contextmanager
def bare_app(url: URL | str, **config: object) -> Iterator[Flask]:
    """Create a Flask application with only a database and taskadmin's models and migrations."""
    app = Flask("bare")
    app.config.update(SQLALCHEMY_DATABASE_URI=url, **config)
    db = SQLAlchemy(app)
    Models().init_app(app, db=db)
    migrations.Migrations().init_app(app)
    try:
        yield app
    finally:
        dispose_engines(app)


def dispose_engines(app: Flask) -> None:
    """Close an application's database connections, so that its database can be dropped."""
    db: SQLAlchemy = app.extensions["sqlalchemy"]
    with app.app_context():
        for engine in db.engines.values():
            engine.dispose()


class SqliteTemplate:
    """A migrated file to copy."""

    def __init__(self, path: Path) -> None:
        self.path = path
        migrate(sqlite_url(path))

    def copy(self, path: Path) -> URL:
        """Copy the migrated database to *path*."""
        shutil.copyfile(self.path, path)
        return sqlite_url(path)


class PostgresqlTemplate:
    """A migrated database to copy."""

    def __init__(self, server: PostgresqlServer) -> None:
        self.server = server
        self.url = server.create()
        migrate(self.url)

    def copy(self) -> URL:
        """Copy the migrated database to a uniquely named one."""
        return self.server.create(template=self.url)

    def drop(self) -> None:
        """Drop the template."""
        self.server.drop(self.url)


def sqlite_url(path: Path) -> URL:
    """Return the URL of the SQLite database at *path*."""
    return URL.create("sqlite", database=str(path))
