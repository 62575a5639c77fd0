"""Let workers report that they are stuck sooner, with ``include`` in ``CELERY``."""

from __future__ import annotations

from taskadmin.queue.worker import held_messages

held_messages._MAX_ACTION_SECONDS = 1.0
