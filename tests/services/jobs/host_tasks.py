"""A Celery task of the host, for workers with ``include`` in ``CELERY``."""

from __future__ import annotations

import time

from celery import shared_task


@shared_task(name="host.nap")  # type: ignore[untyped-decorator]  # Celery has no types
def nap() -> None:
    """Sleep for a second."""
    time.sleep(1)
