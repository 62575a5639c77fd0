"""A host that runs jobs, and has no pages."""

# docs: begin
import os

from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from taskadmin import Models, TaskQueue, job


@job
def count_boxes(shelf: str) -> int:
    """Count the boxes on a shelf."""
    return len(shelf)


app = Flask("worker")
app.config.update(
    SQLALCHEMY_DATABASE_URI=os.environ["DATABASE_URL"],
    CELERY={"broker_url": os.environ["BROKER_URL"]},
)
Models().init_app(app, db=SQLAlchemy(app))
TaskQueue().init_app(app)
celery = app.extensions["taskadmin"].celery
# docs: end
