"""A Redis server on a free port, in a temporary folder, and the choice of the broker."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, ClassVar

from redis import Redis
from redis.exceptions import RedisError

from services.servers.postgresql import free_port

from .servers import Missing, RabbitmqOfOurOwn


class RedisOfOurOwn:
    """A broker that can be killed and restarted during a test; its virtual hosts are databases."""

    #: Celery's settings: a half-open connection is detected after two of these intervals.
    celery: ClassVar[dict[str, Any]] = {"broker_transport_options": {"health_check_interval": 2}}

    def __init__(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise Missing("redis-server is missing: install redis-server.")
        self.home = Path(tempfile.mkdtemp(prefix="redis-"))
        self.port = free_port()
        self._numbers = itertools.count()
        self._command = [
            *(program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.home)),
            *("--appendonly", "yes", "--save", "", "--databases", "1000"),
        ]
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """Start the server, and wait until it has loaded its data."""
        with (self.home / "output").open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # on Ctrl-C, the suite stops it
            )
        deadline = time.monotonic() + 20
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Redis didn't start:\n{self.tail()}")
            time.sleep(0.05)

    def answers(self) -> bool:
        """Return whether it executes commands."""
        try:
            return bool(self.client("0").ping())
        except RedisError:
            return False

    def client(self, vhost: str) -> Redis:
        """Return a client of a database."""
        return Redis(port=self.port, db=int(vhost), socket_timeout=5)

    def kill(self) -> None:
        """Kill -9 the server, which keeps what it has written."""
        self._process.kill()
        self._process.wait()

    def lose_data(self) -> None:
        """Delete what a killed server has written."""
        shutil.rmtree(self.home / "appendonlydir")

    def url(self, vhost: str, port: int | None = None) -> str:
        """Return the address of a database, with another *port* for a proxy."""
        return f"redis://127.0.0.1:{port or self.port}/{vhost}"

    def memory_alarm(self) -> None:
        """Refuse all commands that may need memory."""
        self.client("0").config_set("maxmemory", 1)

    def end_memory_alarm(self) -> None:
        """Accept them again."""
        self.client("0").config_set("maxmemory", 0)

    def close_connections(self, vhost: str) -> None:
        """Close all connections, as an administrator can."""
        with self.client(vhost) as client:
            for kind in ("normal", "pubsub"):
                client.client_kill_filter(_type=kind)

    def all_messages(self, vhost: str, queue: str) -> int:
        """Return the number of messages in a queue, and of those that workers hold of any queue."""
        with self.client(vhost) as client:
            return int(client.llen(queue)) + int(client.hlen("unacked"))

    def create(self) -> str:
        """Return the number of an empty database."""
        return str(next(self._numbers))

    def drop(self, name: str) -> None:
        """Empty a database."""
        with self.client(name) as client:
            client.flushdb()

    def version(self) -> str:
        """Return the server's version."""
        return str(self.client("0").info("server")["redis_version"])

    def tail(self) -> str:
        """Return the end of the server's output."""
        return (self.home / "output").read_text(errors="replace")[-2000:]

    def close(self) -> None:
        """Stop the server, and remove its folder."""
        self.kill()
        shutil.rmtree(self.home, ignore_errors=True)


Broker = RabbitmqOfOurOwn | RedisOfOurOwn


def start_broker(name: str) -> Broker:
    """Start "rabbitmq" or "redis"."""
    return RedisOfOurOwn() if name == "redis" else RabbitmqOfOurOwn()
