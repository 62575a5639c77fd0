"""A site built with taskadmin: configuration, logging, security headers and its own jobs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from flask import Flask, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_sqlalchemy import SQLAlchemy

from taskadmin import TaskAdmin
from taskadmin.api import Api
from taskadmin.health import blueprint as health
from taskadmin.notifications import Notifications

from .config import from_environment
from .logs import setup as log_setup
from .web import addresses, request_id, security_headers

__all__ = ["create_app"]


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Create the Flask application.

    Args:
        config: Flask's configuration; by default read from the environment variables listed in
            ``dockr/.env.example``.

    Raises:
        ConfigurationError: If environment variables are missing or invalid; it names all of them.
    """
    log_setup.configure()
    app = Flask(__name__)
    # Cookies aren't sent by other sites' forms, and scripts can't read them.
    app.config["SESSION_COOKIE_HTTPONLY"] = True
    app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
    # In bytes; no form is larger. Also applies to requests without a Content-Length.
    app.config["MAX_CONTENT_LENGTH"] = 1_000_000
    # Edited templates apply at the next request, as edited modules do.
    app.config["TEMPLATES_AUTO_RELOAD"] = True
    app.config.from_mapping(from_environment(os.environ) if config is None else config)
    addresses.init_app(app)
    # First, so that responses from other before_request functions have the headers, too.
    talisman = security_headers.init_app(app)
    db = SQLAlchemy()
    db.init_app(app)
    TaskAdmin().init_app(app, db=db)
    Api().init_app(app)
    Notifications().init_app(app)
    security_headers.allow_inline_of_flask_admin(app)
    request_id.init_app(app)
    app.add_url_rule("/", "index", _index)
    # Also at the root, where container health checks expect them.
    app.register_blueprint(health, name="health")
    security_headers.omit_nonces_of_static_files(app, talisman)
    return app


def _index() -> ResponseReturnValue:
    return redirect(url_for("taskadmin.index"))
