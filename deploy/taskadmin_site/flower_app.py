"""The Celery application for Flower, without the rest of the site.

``celery -A taskadmin_site.flower_app flower``
"""

from __future__ import annotations

import os

from celery import Celery
from kombu import Queue

from .config import broker_url
from .logs import setup as log_setup
from .stack.broker import DEAD_QUEUE, LAUNCH_QUEUE, RUN_QUEUES
from .stack.environment import with_files

log_setup.configure()
app = Celery("flower", broker=broker_url(with_files(os.environ)[0]))
app.conf.accept_content = ["json"]
# Flower shows their lengths until it knows the workers' queues.
app.conf.task_queues = [Queue(name) for name in (LAUNCH_QUEUE, *RUN_QUEUES, DEAD_QUEUE)]
