"""The site's own jobs, loaded by ``TASKADMIN_JOBS``."""

from .http import http_latency
from .queues import queue_depth
from .tables import table_rows

__all__ = ["http_latency", "queue_depth", "table_rows"]
