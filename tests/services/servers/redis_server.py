"""A Redis on a free port."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import Connection
from redis import Redis

from .postgresql import free_port


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[Redis]:
    """Start an empty Redis, and yield a client; its files are in *folder*."""
    program = shutil.which("redis-server")
    if program is None:
        message = "Redis isn't installed: install redis-server."
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    try:
        with Connection(f"redis://127.0.0.1:{port}/0") as connection:
            connection.ensure_connection(max_retries=100, interval_start=0.1, interval_step=0)
        with Redis(port=port, decode_responses=True) as client:
            yield client
    finally:
        process.kill()
        process.wait()


def url_of(redis: Redis) -> str:
    """Return the URL of a client's server for Celery."""
    port: int = redis.connection_pool.connection_kwargs["port"]
    return f"redis://127.0.0.1:{port}/0"
