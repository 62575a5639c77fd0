"""A host for Celery's command line: ``celery -A services.servers.celery_host:celery …``.

``TEST_HOST_CONFIG`` configures it: a JSON object of Flask settings.
"""

from __future__ import annotations

import json
import os

from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from taskadmin import TaskAdmin

VARIABLE = "TEST_HOST_CONFIG"

app = Flask("host")
app.config.update(json.loads(os.environ[VARIABLE]))
TaskAdmin().init_app(app, db=SQLAlchemy(app))
celery = app.extensions["taskadmin"].celery
