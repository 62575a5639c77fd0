"""``python migrate_once.py URL``: upgrade in one process, like a container on start."""

from __future__ import annotations

import sys

from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from taskadmin.migrations import Migrations, upgrade
from taskadmin.models import Models

app = Flask("one_of_many")
app.config["SQLALCHEMY_DATABASE_URI"] = sys.argv[1]
db = SQLAlchemy(app)
Models().init_app(app, db=db)
Migrations().init_app(app)
print("ready", flush=True)
sys.stdin.readline()  # all processes begin together
upgrade(app)
