"""The Celery application for ``celery -A taskadmin_site.celery_app``."""

from __future__ import annotations

from celery import Celery

from taskadmin.state import get_state

from . import create_app, heartbeat


def _celery() -> Celery:
    state = get_state(create_app())
    heartbeat.connect(state)
    assert state.celery is not None
    return state.celery


#: The name that the celery command tries first.
app = _celery()
