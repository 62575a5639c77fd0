"""Settings of SQLite connections."""

from __future__ import annotations

from pathlib import Path

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import text

from taskadmin_site import sqlite


def test_readers_do_not_wait_and_keys_are_enforced(tmp_path: Path) -> None:
    """Each connection uses WAL and enforces foreign keys."""
    app = Flask("site")
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path / 'x.sqlite'}"
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = sqlite.ENGINE_OPTIONS
    db = SQLAlchemy(app)
    sqlite.tune(app, db)

    with app.app_context():
        with db.engine.connect() as one, db.engine.connect() as other:
            found = [
                [connection.scalar(text(f"PRAGMA {name}")) for connection in (one, other)]
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            ]
        db.engine.dispose()

    assert found == [["wal"] * 2, [1] * 2, [1] * 2, [15_000] * 2]
