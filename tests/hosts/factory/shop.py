"""A host with an application factory."""

# docs: begin
import os

from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from taskadmin import TaskAdmin, job

db = SQLAlchemy()


@job
def count_parcels(shelf: str) -> int:
    """Count the parcels on a shelf."""
    return len(shelf)


def create_app():
    """Create the application that ``flask`` and gunicorn serve."""
    app = Flask("shop")
    app.config.update(
        SECRET_KEY=os.environ["SECRET_KEY"],
        SQLALCHEMY_DATABASE_URI=os.environ["DATABASE_URL"],
        CELERY={"broker_url": os.environ["BROKER_URL"]},
    )
    db.init_app(app)
    TaskAdmin().init_app(app, db=db)
    return app


# docs: end
