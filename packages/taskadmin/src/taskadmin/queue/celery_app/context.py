"""Map Celery applications to their Flask applications."""

from __future__ import annotations

import threading
from weakref import WeakKeyDictionary

from celery import Celery
from flask import Flask

from ...errors import RegistrationError
from .own_task import OwnTask

_flask_apps: WeakKeyDictionary[Celery, Flask] = WeakKeyDictionary()
_lock = threading.Lock()


def bind(celery: Celery, app: Flask) -> None:
    """Run Celery tasks of *celery* in *app*'s context."""
    with _lock:
        _flask_apps[celery] = app


def is_bound(celery: Celery) -> bool:
    """Whether *celery* belongs to a Flask application with taskadmin."""
    return celery in _flask_apps


def bound_apps() -> set[Flask]:
    """Return the Flask applications of all Celery applications in this process."""
    with _lock:
        return set(_flask_apps.values())


def flask_app_of(celery: Celery) -> Flask:
    """Return the Flask application of *celery*.

    Raises:
        RegistrationError: If ``TaskQueue`` was never initialized with it.
    """
    try:
        return _flask_apps[celery]
    except KeyError:
        raise RegistrationError(
            f"Celery application {celery.main!r} has no Flask application:"
            " call TaskQueue().init_app(app, celery=celery)."
        ) from None


class AppContextTask(OwnTask):
    """A Celery task that runs in a new context of its Flask application."""

    abstract = True

    def __call__(self, *args: object, **kwargs: object) -> object:
        with flask_app_of(self.app).app_context():
            return super().__call__(*args, **kwargs)
