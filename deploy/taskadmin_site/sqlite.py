"""SQLite for a site of one process with several threads."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event

#: For ``SQLALCHEMY_ENGINE_OPTIONS``: a writer waits this many seconds for another one.
ENGINE_OPTIONS = {"connect_args": {"timeout": 15}}


def tune(app: Flask, db: SQLAlchemy) -> None:
    """Let readers and one writer work at the same time, and enforce foreign keys."""
    with app.app_context():
        event.listen(db.engine, "connect", _set_pragmas)


def _set_pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # With WAL, a crash of the process loses nothing under NORMAL; only a power cut might.
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
