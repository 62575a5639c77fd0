"""The limits of client and server, without a framework."""

from __future__ import annotations

import threading
import time

import amqp  # type: ignore[import-untyped]
import psycopg
from kombu import Connection

from .stage import fresh_stage

#: A row as the peers write for a run.
TABLE = (
    "CREATE TABLE peer_result (id bigserial PRIMARY KEY, task_id int, params json,"
    " result float8, at timestamptz DEFAULT clock_timestamp())"
)
_PARAMS = '{"lower_limit": 0.0, "upper_limit": 1.0}'


def raw_publish(number: int) -> float:
    """Messages of 300 bytes per second with py-amqp, without confirms."""
    with fresh_stage() as stage, Connection(stage.broker) as connection:
        channel = connection.default_channel
        channel.queue_declare("limit", durable=True, auto_delete=False)
        message = amqp.Message("x" * 300, delivery_mode=2)
        begun = time.monotonic()
        for _ in range(number):
            channel.basic_publish(message, "", "limit")
        return number / (time.monotonic() - begun)


def single_commits(number: int) -> float:
    """Rows per second of two connections that commit each row."""
    with fresh_stage() as stage:
        with stage.connected() as connection:
            connection.execute(TABLE)

        def work() -> None:
            with psycopg.connect(stage.dsn, autocommit=True) as mine:
                for place in range(number // 2):
                    mine.execute(
                        "INSERT INTO peer_result (task_id, params, result) VALUES (%s, %s, 0.5)",
                        (place, _PARAMS),
                    )

        threads = [threading.Thread(target=work) for _ in range(2)]
        begun = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return number / (time.monotonic() - begun)


def bulk_insert(number: int) -> float:
    """Rows per second of one INSERT … SELECT."""
    with fresh_stage() as stage, stage.connected() as connection:
        connection.execute(TABLE)
        begun = time.monotonic()
        connection.execute(
            "INSERT INTO peer_result (task_id, params, result)"
            " SELECT n, %s::json, 0.5 FROM generate_series(1, %s) n",
            (_PARAMS, number),
        )
        return number / (time.monotonic() - begun)
