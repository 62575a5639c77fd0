"""The Flask application of a Celery application."""

from __future__ import annotations

import pytest
from celery import Celery

from services.celery_hosts import make_app
from taskadmin import RegistrationError, TaskQueue
from taskadmin.queue.celery_app.context import flask_app_of


def test_two_applications_in_one_process_keep_apart() -> None:
    """Each Celery application uses its own Flask application."""
    first, second = make_app("first"), make_app("second")
    for app in (first, second):
        TaskQueue().init_app(app)

    assert flask_app_of(first.extensions["taskadmin"].celery) is first
    assert flask_app_of(second.extensions["taskadmin"].celery) is second


def test_a_celery_application_without_flask_is_refused_with_the_fix() -> None:
    """The error says what to call."""
    with pytest.raises(RegistrationError) as refused:
        flask_app_of(Celery("stranger", set_as_current=False))

    assert str(refused.value) == (
        "Celery application 'stranger' has no Flask application:"
        " call TaskQueue().init_app(app, celery=celery)."
    )
