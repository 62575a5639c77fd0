"""A host application for Celery's command line: ``celery -A services.celery_host:celery …``.

Its configuration comes from ``TEST_HOST_CONFIG``, a JSON object of Flask settings.
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
