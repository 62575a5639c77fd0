"""Silent launchers: workers tell people, and a service outside notices."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL

from fixture_types import MakeApp, MakeUser
from services.notifying.webhooks import KEY, Receiver, receiver
from services.servers.processes import CeleryProcesses, wait_for
from taskadmin import service
from taskadmin.models import ChannelKind, NotifiedEvent
from taskadmin.notifications import Notifications
from taskadmin.queue import LAUNCH_QUEUE, RUNS_QUEUE
from taskadmin.service.notifications import ChannelInput

pytestmark = pytest.mark.databases("postgresql")

#: Time without a request that counts as silence, in seconds: several times that between two.
_SILENCE_SECONDS = 5.0


@pytest.fixture
def outside() -> Iterator[Receiver]:
    """The service outside."""
    with receiver() as found:
        yield found


@pytest.fixture
def more_settings(outside: Receiver) -> dict[str, Any]:
    """Launchers request its URL every second."""
    return {"TASKADMIN_HEARTBEAT_URL": outside.url, "TASKADMIN_HEARTBEAT_SECONDS": 1}


def becomes_silent(outside: Receiver) -> Callable[[], bool]:
    """Return whether there was no request for a while."""
    last = [outside.requests, time.monotonic()]

    def is_silent() -> bool:
        if outside.requests != last[0]:
            last[:] = [outside.requests, time.monotonic()]
        return time.monotonic() - last[1] > _SILENCE_SECONDS

    return is_silent


def more_requests(outside: Receiver) -> Callable[[], bool]:
    """Return whether requests go on."""
    before = outside.requests
    return lambda: outside.requests >= before + 3


def test_requests_stop_with_beat_launcher_or_database_and_resume(
    processes: CeleryProcesses, outside: Receiver, database_url: URL
) -> None:
    """Each is stopped in turn, the first two by SIGKILL."""
    start: dict[str, Callable[[], Any]] = {
        "launcher": lambda: processes.worker("launcher", LAUNCH_QUEUE, "-P", "solo"),
        "beat": processes.beat,
    }
    running = {name: begin() for name, begin in start.items()}
    wait_for(more_requests(outside), what="requests")

    for name, process in running.items():
        process.kill()
        process.wait(10)
        wait_for(becomes_silent(outside), what=f"silence without {name}")
        start[name]()
        wait_for(more_requests(outside), what=f"requests after {name} came back")

    database = database_url.database
    server = database_url.set(drivername="postgresql", database="postgres")
    with psycopg.connect(server.render_as_string(hide_password=False), autocommit=True) as admin:
        admin.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS false')
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database]
        )
        wait_for(becomes_silent(outside), what="silence without the database")
        admin.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS true')
    wait_for(more_requests(outside), what="requests after the database came back")


def test_a_worker_tells_by_a_webhook_that_the_launcher_is_dead(
    tmp_path: Path,
    host_config: dict[str, Any],
    make_app: MakeApp,
    make_user: MakeUser,
    outside: Receiver,
) -> None:
    """The launcher is killed; the message is signed, and is sent once."""
    config = host_config | {"TASKADMIN_PRIVATE_WEBHOOKS": True}
    app = make_app(**config)
    Notifications().init_app(app)
    author = make_user("ada").id
    with app.app_context():
        channel = service.create_channel(
            ChannelInput(
                name="Ops",
                kind=ChannelKind.WEBHOOK,
                address=outside.url,
                signing_key=KEY,
                gather_seconds=0,
            ),
            author=author,
        )
        service.add_rule(channel.id, NotifiedEvent.SILENT, number=5)
    processes = CeleryProcesses(tmp_path, config, "services.servers.notifying_host:celery")
    try:
        processes.worker("worker", RUNS_QUEUE, "-P", "solo")
        launcher = processes.worker("launcher", LAUNCH_QUEUE, "-P", "solo")
        processes.beat()
        time.sleep(12)  # longer than the rule's number, and than the time between two searches
        assert outside.messages == []

        launcher.kill()

        [message] = wait_for(lambda: outside.messages, seconds=40, what="the message")
        assert "silent" in message["data"]["title"], message
        time.sleep(12)
        assert len(outside.messages) == 1
    finally:
        processes.stop()
