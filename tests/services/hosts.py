"""Host applications."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL

MEMORY = {"broker_url": "memory://localhost/", "result_backend": "disabled://"}


def host_app(url: URL | str = "sqlite://", **config: Any) -> tuple[Flask, SQLAlchemy]:
    """Create an application and its database, without taskadmin."""
    app = Flask("shop")
    app.config.update(
        SECRET_KEY="only for tests", SQLALCHEMY_DATABASE_URI=url, **{"CELERY": MEMORY, **config}
    )
    return app, SQLAlchemy(app)
