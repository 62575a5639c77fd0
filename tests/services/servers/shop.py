"""A shop with its own Celery application, with or without taskadmin.

Without a database in its settings, it has no taskadmin.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from celery import Celery
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from kombu import Queue

from services.servers.processes import HOST_CONFIG
from taskadmin import TaskAdmin


def make_shop(config: dict[str, Any]) -> Celery:
    """Create the shop's Celery application: classic queues, one of them with priorities."""
    celery = Celery("shop", broker=config["BROKER"], backend="rpc://", set_as_current=False)
    celery.conf.update(
        task_queues=[Queue("celery"), Queue("parcels", queue_arguments={"x-max-priority": 10})],
        worker_hijack_root_logger=False,
    )

    @celery.task(name="shop.note", shared=False)  # type: ignore[untyped-decorator]  # Celery has no types
    def note(marks: str, text: str) -> None:
        with Path(marks).open("a") as file:
            file.write(f"{text}\n")

    @celery.task(name="shop.seldom", rate_limit="1/m", shared=False)  # type: ignore[untyped-decorator]
    def seldom(marks: str, text: str) -> None:
        note(marks, text)

    if "SQLALCHEMY_DATABASE_URI" in config:
        app = Flask("shop")
        app.config.update(config)
        TaskAdmin().init_app(app, db=SQLAlchemy(app), celery=celery)
    return celery


if HOST_CONFIG in os.environ:
    celery = make_shop(json.loads(os.environ[HOST_CONFIG]))
