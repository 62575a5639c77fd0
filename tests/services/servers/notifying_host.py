"""The host of ``celery_host`` with notifications."""

from __future__ import annotations

from services.servers.celery_host import app, celery
from taskadmin.notifications import Notifications

Notifications().init_app(app)

__all__ = ["celery"]
