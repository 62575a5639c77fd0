"""Sending through a real RabbitMQ: queues that can't be used, and slow links."""

from __future__ import annotations

import dataclasses
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from amqp.exceptions import AccessRefused  # type: ignore[import-untyped]
from celery import Celery
from celery.signals import before_task_publish
from kombu import Connection
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from fixture_types import MakeTask, MakeUser
from taskadmin.errors import BrokerUnavailable
from taskadmin.jobs import all_jobs, registry
from taskadmin.models import Launch, LaunchState, RunState, TaskResult
from taskadmin.queue import publisher as publishing
from taskadmin.queue.configuration import DEFAULTS, add_queues_and_schedule
from taskadmin.queue.confirms import ConfirmedChannel
from taskadmin.queue.launcher import publish_launch, run_turn
from taskadmin.queue.names import RUNS_QUEUE
from taskadmin.queue.prepared import Prepared
from taskadmin.queue.publisher import Publisher, _declared
from taskadmin.settings import Settings
from taskadmin.store import launches
from taskadmin.store.by_hand import launch_by_hand
from taskadmin.store.clock import now
from taskadmin.store.results import UnsentRun

DAY = Settings(launch_interval_seconds=86400)
OWN = "taskadmin.test-own"

pytestmark = pytest.mark.databases("postgresql")


@contextmanager
def slow_proxy(url: str, seconds: float) -> Iterator[str]:
    """The URL of a proxy that holds back each piece of the broker's answers."""
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
    """A Celery application at this broker, as taskadmin makes it."""
    _declared.clear()  # as in a new process
    celery = Celery("test", set_as_current=False, broker=url)
    celery.config_from_object({**DEFAULTS, "broker_url": url})
    add_queues_and_schedule(celery, DAY)
    return celery


@pytest.fixture
def channel(broker_url: str) -> Iterator[Any]:
    """A channel to a broker without the tests' own queue."""
    with Connection(broker_url) as connection:
        channel = connection.default_channel
        channel.queue_delete(OWN)
        yield channel
        channel.queue_delete(OWN)


def ready(channel: Any, queue: str) -> int:
    count: int = channel.queue_declare(queue, passive=True).message_count
    return count


def to_own_queue(session: Session, launch_id: int) -> None:
    """Let the first run of the launch go to the tests' own queue."""
    first = select(TaskResult.id).order_by(TaskResult.id).limit(1).scalar_subquery()
    session.execute(update(TaskResult).where(TaskResult.id == first).values(queue=OWN))
    session.commit()


def start(session: Session, tasks: list[int], user: int) -> tuple[int, Any]:
    owner = uuid4()
    started = launch_by_hand(
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
    """Its runs wait, all others are sent; when the queue can be used, they are sent too."""
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

    assert turn.finished == 2  # the person's, and the slot's
    assert ready(channel, RUNS_QUEUE) == turn.sent == 5
    assert ready(channel, OWN) == 0
    assert [r.message for r in caplog.records if OWN in r.message] == [
        f"Queue {OWN} can't be used"  # noqa: ISC004 - one sentence
        f" (PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue '{OWN}'"
        f" in vhost '{channel.connection.client.virtual_host}': received none but current is"
        " the value '7' of type 'signedint'): its runs stay queued until it can be"
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


def test_a_queue_that_was_deleted_is_made_again(broker_url: str, channel: Any) -> None:
    """RabbitMQ throws away what no queue takes, and confirms it."""
    with Publisher(make(broker_url), timeout_seconds=5) as publisher:
        run = UnsentRun(1, datetime.now(UTC), "nobody's", OWN)
        assert publisher.send([run]) == 1
        channel.queue_delete(OWN)

        assert publisher.send([run]) == 1

        assert publisher.refused == {}
        assert publisher.ready(OWN) == 1


def get(channel: Any, queue: str) -> Any:
    """The next message, decoded; None if there is none."""
    raw = channel.basic_get(queue, no_ack=True)
    return raw and channel.message_to_python(raw)


def runs_in(queue: str, number: int, *, job: str = "generate_random_number") -> list[UnsentRun]:
    """Runs to send; due times differ by the last digit."""
    due = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        UnsentRun(id_, due.replace(microsecond=id_), job, queue) for id_ in range(1, number + 1)
    ]


def test_many_messages_are_those_that_celery_makes(broker_url: str, channel: Any) -> None:
    """Prepared once and filled in, they differ from Celery's own by run and id only."""
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
        assert headers["argsrepr"] == f"({number:>19}, '{due_at}')"
        for name in ("id", "root_id", "argsrepr"):
            headers.pop(name)
        assert headers == {k: v for k, v in single.headers.items() if k in headers}
        assert {*headers, "id", "root_id", "argsrepr"} == {*single.headers}
        ids.add(properties.pop("correlation_id"))
        properties.pop("application_headers")
        assert properties == {name: single.properties[name] for name in properties}
    assert len(ids) == 50
    assert get(channel, OWN) is None


def test_many_messages_find_a_deleted_queue_again(broker_url: str, channel: Any) -> None:
    """Each of them is there afterwards, whatever was thrown away."""
    with Publisher(make(broker_url), timeout_seconds=5) as publisher:
        publisher.send(runs_in(OWN, 20))
        channel.queue_delete(OWN)

        assert publisher.send(runs_in(OWN, 20)) == 20

        assert publisher.refused == {}
        assert publisher.ready(OWN) == 20


def test_many_messages_are_kept_from_one_queue_only(broker_url: str, channel: Any) -> None:
    """The broker closes the channel because of it; the others are sent all the same."""
    channel.queue_declare(OWN, durable=True, auto_delete=False, arguments={"x-max-length": 7})
    mixed = [
        run for pair in zip(runs_in(OWN, 9), runs_in(RUNS_QUEUE, 9), strict=True) for run in pair
    ]
    with Publisher(make(broker_url), timeout_seconds=5) as publisher:
        before = publisher.ready(RUNS_QUEUE)

        assert publisher.send(mixed) == 18

        assert set(publisher.refused) == {OWN}
        assert publisher.ready(RUNS_QUEUE) == before + 9


def test_a_dead_broker_leaves_what_was_confirmed(broker_url: str, channel: Any) -> None:
    """Whoever goes on sends the others again."""
    publisher = Publisher(make(broker_url), timeout_seconds=5)
    with publisher:
        publisher.send(runs_in(OWN, 10))
        publisher._connection.default_channel.connection.transport.sock.close()

        with pytest.raises(BrokerUnavailable):
            publisher.send(runs_in(OWN, 3000))

        assert publisher.handled == 0


def test_somebody_who_looks_at_each_message_sees_each(broker_url: str, channel: Any) -> None:
    """A host's signal is called as if Celery had made every message."""
    seen = []

    def look(headers: dict[str, Any], **_: Any) -> None:
        seen.append(headers["id"])

    # As a host may do it: for one Celery task.
    before_task_publish.connect(look, sender="taskadmin.generate_random_number_task")
    try:
        with Publisher(make(broker_url), timeout_seconds=5) as publisher:
            publisher.send(runs_in(OWN, 12))
    finally:
        before_task_publish.disconnect(look, sender="taskadmin.generate_random_number_task")

    assert len(set(seen)) == 12


def test_runs_of_jobs_that_do_not_record_their_start_share_messages(
    broker_url: str, channel: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as were asked for; others, and those that are sent again, have one each."""
    given = all_jobs()["generate_random_number"]
    own = dataclasses.replace(given, name="own", record_start=True)
    monkeypatch.setitem(registry._jobs, "own", own)
    runs = [
        *runs_in(OWN, 25),
        *(run._replace(id=run.id + 100) for run in runs_in(OWN, 3, job="own")),
    ]
    with Publisher(make(broker_url), timeout_seconds=5, runs_per_message=10) as publisher:
        assert publisher.send(runs) == 28
        assert publisher.ready(OWN) == 3 + 3
        assert publisher.send(runs[:2], alone=True) == 2
        assert publisher.ready(OWN) == 6 + 2

    got = [get(channel, OWN) for _ in range(8)]
    together = [one.payload[0] for one in got if one.headers["task"] == "taskadmin.runs"]
    assert [sum(len(ids) for _, ids in pairs) for pairs in together] == [10, 10, 5]
    assert together[0][0] == ["2026-01-01T00:00:00.000001+00:00", [1]]
    assert [one.headers["timelimit"] for one in got] == [[60.0, None]] * 8


def test_a_broker_that_refuses_the_default_exchange_gets_messages_by_the_queues_own(
    broker_url: str, channel: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A user who may write to taskadmin's exchanges only loses no run, and is told once."""
    send, exchanges = ConfirmedChannel.send, []
    monkeypatch.setattr(publishing, "_default_exchange_closed", set())

    def refuse(
        self: ConfirmedChannel, messages: Iterable[Prepared], confirmed: bytearray, *rest: Any
    ) -> None:
        given = list(messages)
        exchanges.append(given[0].exchange)
        if not given[0].exchange:
            raise AccessRefused("write access to exchange 'amq.default' refused")
        send(self, given, confirmed, *rest)

    monkeypatch.setattr(ConfirmedChannel, "send", refuse)
    with Publisher(make(broker_url), timeout_seconds=5) as publisher:
        before = publisher.ready(RUNS_QUEUE)
    for _ in range(2):
        with Publisher(make(broker_url), timeout_seconds=5) as publisher:
            assert publisher.send(runs_in(RUNS_QUEUE, 12)) == 12
            assert publisher.send(runs_in(RUNS_QUEUE, 12)) == 12

    assert exchanges == ["", RUNS_QUEUE, RUNS_QUEUE, RUNS_QUEUE]
    assert ready(channel, RUNS_QUEUE) == before + 4 * 12
    assert caplog.text.count("go by the queues' own exchanges") == 1


def test_a_queue_that_is_not_there_is_empty(broker_url: str, channel: Any) -> None:
    """And the connection goes on."""
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
    """The page answers in under 2 s; what wasn't sent by then is the launcher's."""
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
