"""Dramatiq with RabbitMQ: draw a number and store it, like ``celery_app`` with one INSERT.

``BENCH_BROKER`` and ``BENCH_DSN`` are the servers.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time

import dramatiq
import psycopg
from dramatiq.brokers.rabbitmq import RabbitmqBroker

dramatiq.set_broker(RabbitmqBroker(url=os.environ["BENCH_BROKER"]))

_own = threading.local()
_INSERT = "INSERT INTO peer_result (task_id, params, result) VALUES (%s, %s, %s)"


@dramatiq.actor
def insert(number: int, low: float, high: float) -> None:
    """Draw, and insert a row with this thread's autocommit connection."""
    if not hasattr(_own, "connection"):
        _own.connection = psycopg.connect(os.environ["BENCH_DSN"], autocommit=True)
    params = json.dumps({"lower_limit": low, "upper_limit": high})
    result = random.uniform(low, high)  # noqa: S311 - no secret
    _own.connection.execute(_INSERT, (number, params, result))


def main() -> None:
    """Send messages, and print the messages per second."""
    number = int(sys.argv[1])
    insert.send(0, 0.0, 1.0)
    begun = time.monotonic()
    for place in range(1, number):
        insert.send(place, 0.0, 1.0)
    print(json.dumps(number / (time.monotonic() - begun)))


if __name__ == "__main__":
    main()
