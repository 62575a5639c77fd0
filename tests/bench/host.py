"""The host application of the workers that are measured: ``celery -A bench.host:celery …``.

Its configuration comes from ``BENCH_HOST``, a JSON object of Flask settings.
"""

from __future__ import annotations

import json
import os
from typing import Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from taskadmin import TaskAdmin

VARIABLE = "BENCH_HOST"


def make_app(config: dict[str, Any]) -> Flask:
    """A host with the whole of taskadmin."""
    app = Flask("bench")
    app.config.update(config)
    TaskAdmin().init_app(app, db=SQLAlchemy(app))
    return app


if VARIABLE in os.environ:
    celery = make_app(json.loads(os.environ[VARIABLE])).extensions["taskadmin"].celery
