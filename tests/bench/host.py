"""The host application of the measured workers: ``celery -A bench.host:celery …``.

``BENCH_HOST`` configures it: a JSON object of Flask settings.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from taskadmin import TaskAdmin, job

VARIABLE = "BENCH_HOST"


@job(name="nap")
def nap(seconds: float = 0.001) -> float:
    """Sleep; the start is recorded, as it is for jobs by default."""
    time.sleep(seconds)
    return seconds


def make_app(config: dict[str, Any]) -> Flask:
    """Create a host with all of taskadmin."""
    app = Flask("bench")
    app.config.update(config)
    TaskAdmin().init_app(app, db=SQLAlchemy(app))
    return app


if VARIABLE in os.environ:
    celery = make_app(json.loads(os.environ[VARIABLE])).extensions["taskadmin"].celery
