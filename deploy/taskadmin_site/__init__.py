"""A running site made of taskadmin: configuration, logging and what belongs to the site alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from flask import Flask, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_sqlalchemy import SQLAlchemy

from taskadmin import TaskAdmin
from taskadmin.health import blueprint as health

from . import log_setup, request_id, security_headers
from .config import from_environment

__all__ = ["create_app"]


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the site.

    Args:
        config: Flask's configuration. Without it, it is read from the environment variables
            that ``dockr/.env.example`` lists.

    Raises:
        ConfigurationError: If environment variables are missing or wrong; it names all of them.
    """
    log_setup.configure()
    app = Flask(__name__)
    # Only cookies of the site's own pages, none for scripts.
    app.config["SESSION_COOKIE_HTTPONLY"] = True
    app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
    # No form is larger; a request that doesn't say its length is cut here too.
    app.config["MAX_CONTENT_LENGTH"] = 1_000_000
    # An edited template shows at the next request, as an edited module does.
    app.config["TEMPLATES_AUTO_RELOAD"] = True
    app.config.from_mapping(from_environment(os.environ) if config is None else config)
    # First: also an answer that another part gives before the view is asked has the headers.
    security_headers.init_app(app)
    db = SQLAlchemy()
    db.init_app(app)
    TaskAdmin().init_app(app, db=db)
    security_headers.allow_inline_of_flask_admin(app)
    request_id.init_app(app)
    app.add_url_rule("/", "index", _index)
    # At the root too, where what looks after containers expects them.
    app.register_blueprint(health, name="health")
    return app


def _index() -> ResponseReturnValue:
    return redirect(url_for("taskadmin.index"))
