"""A host with a Celery application of its own: routes, queues and a beat entry."""

import os

from celery import Celery
from celery.schedules import crontab
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from taskadmin import TaskAdmin

app = Flask("shop")
app.config.update(SECRET_KEY="only for tests", SQLALCHEMY_DATABASE_URI=os.environ["DATABASE_URL"])
db = SQLAlchemy(app)

# docs: begin
celery = Celery("shop", broker=os.environ["BROKER_URL"])
celery.conf.task_default_queue = "shop"
celery.conf.task_routes = {"shop.send_*": {"queue": "mail"}}
celery.conf.beat_schedule = {
    "invoices": {"task": "shop.send_invoices", "schedule": crontab(hour=3)},
}


@celery.task(name="shop.send_invoices", ignore_result=True)
def send_invoices():
    """A task of yours, beside taskadmin's."""


TaskAdmin().init_app(app, db=db, celery=celery)
# docs: end


@celery.task(name="shop.count", ignore_result=True)
def count(file):
    """Leave a line in a file."""
    with open(file, "a") as lines:  # noqa: PTH123 - as others write it
        lines.write("counted\n")
