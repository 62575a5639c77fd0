"""SQLite settings for one process with several threads."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event

#: For ``SQLALCHEMY_ENGINE_OPTIONS``: seconds that a writer waits for another.
ENGINE_OPTIONS = {"connect_args": {"timeout": 15}}


def tune(app: Flask, db: SQLAlchemy) -> None:
    """Allow concurrent readers beside one writer, and enforce foreign keys."""
    with app.app_context():
        event.listen(db.engine, "connect", _set_pragmas)


def _set_pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # With WAL, NORMAL loses nothing if the process crashes; a power failure might lose commits.
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
