"""Publishing through a real RabbitMQ: unusable queues and slow connections."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from celery import Celery
from celery.signals import before_task_publish
from kombu import Connection
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from fixture_types import MakeTask, MakeUser
from taskadmin.errors import BrokerUnavailable
from taskadmin.jobs import all_jobs
from taskadmin.models import Launch, LaunchState, RunState, TaskResult
from taskadmin.queue.celery_app.configuration import DEFAULTS, add_queues, add_schedule
from taskadmin.queue.celery_app.queues import RUNS_QUEUE
from taskadmin.queue.launcher.turns import run_turn
from taskadmin.queue.publishing.publisher import Publisher, _declared
from taskadmin.queue.publishing.sending import publish_launch
from taskadmin.settings import Settings
from taskadmin.store.database.clock import now
from taskadmin.store.launches import launches
from taskadmin.store.launches.manual import launch_manually
from taskadmin.store.runs.results import UnsentRun

DAY = Settings(launch_interval_seconds=86400)
OWN = "taskadmin.test-own"

pytestmark = pytest.mark.databases("postgresql")


@contextmanager
def slow_proxy(url: str, seconds: float) -> Iterator[str]:
    """The URL of a proxy that delays the broker's responses."""
    parts = urlsplit(url)
    target = (parts.hostname or "127.0.0.1", parts.port or 5672)
    links: list[socket.socket] = []
    server = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, sink: socket.socket, delay: float) -> None:
        try:
            while data := source.recv(65536):
                time.sleep(delay)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def accept() -> None:
        while True:
            try:
                near, _ = server.accept()
            except OSError:
                return
            far = socket.create_connection(target)
            links.extend((near, far))
            threading.Thread(target=pump, args=(near, far, 0), daemon=True).start()
            threading.Thread(target=pump, args=(far, near, seconds), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        port = server.getsockname()[1]
        yield parts._replace(netloc=f"guest:guest@127.0.0.1:{port}").geturl()
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        for link in links:
            link.close()


def make(url: str) -> Celery:
    """Create taskadmin's Celery application for this broker."""
    _declared.clear()  # as in a new process
    celery = Celery("test", set_as_current=False, broker=url)
    celery.config_from_object({**DEFAULTS, "broker_url": url})
    add_queues(celery)
    add_schedule(celery, DAY)
    return celery


@pytest.fixture
def channel(broker_url: str) -> Iterator[Any]:
    """A channel to a broker without the tests' queue."""
    with Connection(broker_url) as connection:
        channel = connection.default_channel
        channel.queue_delete(OWN)
        yield channel
        channel.queue_delete(OWN)


def ready(channel: Any, queue: str) -> int:
    count: int = channel.queue_declare(queue, passive=True).message_count
    return count


def to_own_queue(session: Session, launch_id: int) -> None:
    """Send the first run of the launch to the tests' queue."""
    first = select(TaskResult.id).order_by(TaskResult.id).limit(1).scalar_subquery()
    session.execute(update(TaskResult).where(TaskResult.id == first).values(queue=OWN))
    session.commit()


def start(session: Session, tasks: list[int], user: int) -> tuple[int, Any]:
    owner = uuid4()
    started = launch_manually(
        session, tasks, requested_by=user, request_key=uuid4(), owner=owner, jobs=all_jobs()
    )
    return started.launch_id, owner


def test_a_queue_that_is_refused_stops_no_other(
    session: Session,
    broker_url: str,
    channel: Any,
    make_task: MakeTask,
    make_user: MakeUser,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its runs wait and others are sent; once the queue can be used, they are sent, too."""
    channel.queue_declare(OWN, durable=True, auto_delete=False, arguments={"x-max-length": 7})
    user = make_user("ana")
    tasks = [make_task().id for _ in range(3)]
    launch_id, owner = start(session, tasks, user.id)
    to_own_queue(session, launch_id)
    launches.release(session, launch_id, owner)
    celery = make(broker_url)
    session.execute(update(Launch).values(upto_task_id=0))
    session.commit()

    turn = run_turn(session, celery, DAY)

    assert turn.finished == 2  # the user's, and the slot's
    assert ready(channel, RUNS_QUEUE) == turn.sent == 5
    assert ready(channel, OWN) == 0
    assert [r.message for r in caplog.records if OWN in r.message] == [
        f"Queue {OWN} is unusable"  # noqa: ISC004 - one sentence
        f" (PRECONDITION_FAILED - inequivalent arg 'x-dead-letter-exchange' for queue '{OWN}'"
        f" in vhost '{channel.connection.client.virtual_host}': received the value '' of type"
        " 'longstr' but current is none): its runs stay queued until it is usable"
    ]
    waiting = session.scalars(select(TaskResult).where(TaskResult.queue == OWN)).one()
    assert (waiting.state, waiting.publishes) == (RunState.QUEUED, 0)
    assert waiting.not_before is not None
    session.rollback()

    channel.queue_delete(OWN)
    session.execute(
        update(TaskResult).where(TaskResult.queue == OWN).values(not_before=now(session))
    )
    session.commit()
    assert run_turn(session, celery, DAY).republished == 1
    assert ready(channel, OWN) == 1


def get(channel: Any, queue: str) -> Any:
    """Return the next message, decoded, or None."""
    raw = channel.basic_get(queue, no_ack=True)
    return raw and channel.message_to_python(raw)


def runs_in(queue: str, number: int, *, job: str = "generate_random_number") -> list[UnsentRun]:
    """Return runs to send; due times differ in the last digit."""
    due = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        UnsentRun(id_, due.replace(microsecond=id_), job, queue) for id_ in range(1, number + 1)
    ]


def test_prepared_messages_equal_celerys_own(broker_url: str, channel: Any) -> None:
    """Prepared messages differ from Celery's own only by run and id."""
    celery = make(broker_url)
    with Publisher(celery, timeout_seconds=5) as publisher:
        publisher.send(runs_in(OWN, 1))
        single = get(channel, OWN)
        assert publisher.send(runs_in(OWN, 50)) == 50

    ids = set()
    for number in range(1, 51):
        message = get(channel, OWN)
        (run_id, due_at), *rest = message.payload
        assert (run_id, due_at) == (number, f"2026-01-01T00:00:00.{number:06}+00:00")
        assert rest == single.payload[1:]
        headers, properties = message.headers, message.properties
        assert headers["id"] == headers["root_id"] == properties["correlation_id"]
        assert headers["argsrepr"] == f"({number}, '{due_at}')"
        for name in ("id", "root_id", "argsrepr"):
            headers.pop(name)
        assert headers == {k: v for k, v in single.headers.items() if k in headers}
        assert {*headers, "id", "root_id", "argsrepr"} == {*single.headers}
        ids.add(properties.pop("correlation_id"))
        properties.pop("application_headers")
        assert properties == {name: single.properties[name] for name in properties}
    assert len(ids) == 50
    assert get(channel, OWN) is None


@pytest.mark.parametrize("number", [1, 20])
def test_a_queue_that_was_deleted_is_made_again(broker_url: str, channel: Any, number: int) -> None:
    """RabbitMQ confirms unroutable messages and drops them; all arrive afterwards."""
    with Publisher(make(broker_url), timeout_seconds=5) as publisher:
        assert publisher.send(runs_in(OWN, number)) == number
        channel.queue_delete(OWN)

        assert publisher.send(runs_in(OWN, number)) == number

        assert publisher.refused == {}
        assert publisher.ready(OWN) == number


def test_many_messages_are_kept_from_one_queue_only(broker_url: str, channel: Any) -> None:
    """The broker closes the channel; messages for other queues are still sent."""
    channel.queue_declare(OWN, durable=True, auto_delete=False, arguments={"x-max-length": 7})
    mixed = [
        run for pair in zip(runs_in(OWN, 9), runs_in(RUNS_QUEUE, 9), strict=True) for run in pair
    ]
    with Publisher(make(broker_url), timeout_seconds=5) as publisher:
        before = publisher.ready(RUNS_QUEUE)

        assert publisher.send(mixed) == 18

        assert set(publisher.refused) == {OWN}
        assert publisher.ready(RUNS_QUEUE) == before + 9


def test_confirmed_messages_stay_sent_when_the_broker_dies(broker_url: str, channel: Any) -> None:
    """Unconfirmed messages are sent again."""
    publisher = Publisher(make(broker_url), timeout_seconds=5)
    with publisher:
        publisher.send(runs_in(OWN, 10))
        publisher._connection.default_channel.connection.transport.sock.close()

        with pytest.raises(BrokerUnavailable):
            publisher.send(runs_in(OWN, 3000))

        assert publisher.handled == 0


def test_signal_handlers_are_called_for_each_message(broker_url: str, channel: Any) -> None:
    """A host's signal handler is called for each message, as by Celery."""
    seen = []

    def look(headers: dict[str, Any], **_: Any) -> None:
        seen.append(headers["id"])

    # For one Celery task, as a host may do.
    before_task_publish.connect(look, sender="taskadmin.generate_random_number_task")
    try:
        with Publisher(make(broker_url), timeout_seconds=5) as publisher:
            publisher.send(runs_in(OWN, 12))
    finally:
        before_task_publish.disconnect(look, sender="taskadmin.generate_random_number_task")

    assert len(set(seen)) == 12


def test_a_message_has_at_most_as_many_runs_as_its_job_allows(
    broker_url: str, channel: Any
) -> None:
    """The last message has the remaining runs. Runs of a job without a number get one each."""
    runs = [
        *runs_in(OWN, 25),
        *(run._replace(id=run.id + 100) for run in runs_in(OWN, 3, job="nobody's")),
    ]
    with Publisher(make(broker_url), timeout_seconds=5) as publisher:
        publisher.start(runs, {"generate_random_number": 10})
        assert publisher.finish() == 28
        assert publisher.ready(OWN) == 3 + 3

    got = [get(channel, OWN) for _ in range(6)]
    together = [one.payload[0] for one in got if one.headers["task"] == "taskadmin.runs"]
    assert sorted(sum(len(ids) for _, ids in pairs) for pairs in together) == [5, 10, 10]
    assert together[0][0] == ["2026-01-01T00:00:00.000001+00:00", [1]]
    assert [one.headers["timelimit"] for one in got if one.headers["task"] == "taskadmin.runs"] == [
        [None, None]
    ] * 3


def test_a_queue_that_is_not_there_is_empty(broker_url: str, channel: Any) -> None:
    """The connection stays usable."""
    with Publisher(make(broker_url), timeout_seconds=5) as publisher:
        assert publisher.ready(OWN) == 0
        assert publisher.ready(RUNS_QUEUE) == 0
        assert publisher.refused == {}


@pytest.mark.parametrize(("delay", "tasks"), [(0.3, 1), (0.02, 300)])
def test_a_person_is_not_kept_waiting_by_a_slow_broker(
    session: Session,
    broker_url: str,
    make_task: MakeTask,
    make_user: MakeUser,
    delay: float,
    tasks: int,
) -> None:
    """The page responds within 2 s; the launcher sends the rest."""
    user = make_user("ana")
    launch_id, owner = start(session, [make_task().id for _ in range(tasks)], user.id)
    with slow_proxy(broker_url, delay) as url:
        celery = make(url)
        begun = time.monotonic()
        try:
            publish_launch(session, celery, DAY, launch_id, owner, seconds=1.0)
        except BrokerUnavailable:
            launches.release(session, launch_id, owner)
        elapsed = time.monotonic() - begun
    assert elapsed < 1.5
    session.expire_all()
    launch = session.get_one(Launch, launch_id)
    if launch.state == LaunchState.OPENING:
        assert launch.owner is None
        sent = launch.published_id
        session.rollback()
        assert run_turn(session, make(broker_url), DAY).finished == 2
        assert tasks == 1 or sent > 0, "what was sent is sent again"
