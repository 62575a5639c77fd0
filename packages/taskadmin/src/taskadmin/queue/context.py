"""Which Flask application a Celery application works for."""

from __future__ import annotations

import threading
from typing import Any
from weakref import WeakKeyDictionary

from celery import Celery, Task
from flask import Flask

from ..errors import RegistrationError

_flask_apps: WeakKeyDictionary[Celery, Flask] = WeakKeyDictionary()
_lock = threading.Lock()


def bind(celery: Celery, app: Flask) -> None:
    """Let Celery tasks of *celery* run in *app*'s context."""
    with _lock:
        _flask_apps[celery] = app


def is_bound(celery: Celery) -> bool:
    """Whether *celery* works for a Flask application with taskadmin."""
    return celery in _flask_apps


def bound_apps() -> set[Flask]:
    """Every Flask application that a Celery application of this process works for."""
    with _lock:
        return set(_flask_apps.values())


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
