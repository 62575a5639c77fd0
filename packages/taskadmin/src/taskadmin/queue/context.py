"""Which Flask application a Celery application works for."""

from __future__ import annotations

import logging
import threading
from typing import Any
from weakref import WeakKeyDictionary

from celery import Celery, Task
from celery.signals import celeryd_after_setup, worker_process_init
from flask import Flask

from ..errors import RegistrationError
from ..state import get_state
from .connection import broker_errors, quick_connection
from .names import declare_queues

log = logging.getLogger("taskadmin.queue")

_flask_apps: WeakKeyDictionary[Celery, Flask] = WeakKeyDictionary()
_lock = threading.Lock()


def bind(celery: Celery, app: Flask) -> None:
    """Let Celery tasks of *celery* run in *app*'s context."""
    with _lock:
        _flask_apps[celery] = app


def flask_app_of(celery: Celery) -> Flask:
    """The Flask application that *celery* works for.

    Raises:
        RegistrationError: If ``TaskQueue`` was never initialised with it.
    """
    try:
        return _flask_apps[celery]
    except KeyError:
        raise RegistrationError(
            f"Celery application {celery.main!r} has no Flask application:"
            " call TaskQueue().init_app(app, celery=celery)."
        ) from None


class AppContextTask(Task):  # type: ignore[misc]  # Celery has no types
    """A Celery task that runs in a fresh context of its Flask application."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with flask_app_of(self.app).app_context():
            return super().__call__(*args, **kwargs)


@worker_process_init.connect(weak=False)
def _drop_inherited_connections(**_: Any) -> None:
    """Forget the parent's database connections: two processes on one socket hang each other."""
    with _lock:
        apps = set(_flask_apps.values())
    for app in apps:
        db = get_state(app).db
        if db is not None:
            with app.app_context():
                for engine in db.engines.values():
                    engine.dispose(close=False)


@celeryd_after_setup.connect(weak=False)
def _declare_queues(instance: Any, **_: Any) -> None:
    """Make all queues before a worker begins, not only those it reads.

    Celery binds every queue's exchange for its delayed delivery when a worker starts, and
    complains of those that aren't there.
    """
    celery = instance.app
    if celery not in _flask_apps:
        return
    connection = quick_connection(celery, timeout_seconds=5)
    try:
        declare_queues(connection.default_channel)
        for queue in celery.amqp.queues.values():
            queue.bind(connection.default_channel).declare()
    except broker_errors(connection) as error:
        # The worker waits for the broker by itself, and declares what it reads.
        log.info("Not every queue is declared yet: %s", error)
    finally:
        connection.release()
