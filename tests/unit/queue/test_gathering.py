"""Messages that a worker takes together."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from taskadmin.queue.gathering import Gathering

DUE = "2026-01-01T00:00:00+00:00"
HEADERS = {"taskadmin_together": True, "task": "taskadmin.run", "timelimit": [60, None]}


class StubMessage:
    """What is gathered."""

    def __init__(self, body: Any, **changes: Any) -> None:
        self.body = body if isinstance(body, str) else json.dumps([body, {}, {}])
        self.headers = {**HEADERS, **changes.pop("headers", {})}
        self.delivery_info = {"routing_key": "q", "redelivered": False, **changes}
        self.content_type = "application/json"
        self.properties: dict[str, Any] = {}
        self.delivery_tag, self.channel, self.accept = 1, None, None
        self.settled: list[str] = []

    def ack(self, _multiple: bool = False) -> None:
        self.settled.append("ack")

    def reject(self, _requeue: bool = False) -> None:
        self.settled.append("reject")

    def requeue(self) -> None:
        self.settled.append("requeue")


@pytest.fixture
def taken() -> list[Any]:
    """What was handed on."""
    return []


@pytest.fixture
def later() -> list[Callable[[], None]]:
    """What is to be called after some milliseconds."""
    return []


@pytest.fixture
def gathering(taken: list[Any], later: list[Callable[[], None]]) -> Gathering:
    """Of three messages at most."""
    return Gathering(3, taken.append, lambda _seconds, call: later.append(call))


def arguments(message: Any) -> Any:
    return json.loads(message.body)[0]


def test_as_many_as_may_are_handed_on_at_once(gathering: Gathering, taken: list[Any]) -> None:
    """By their due times, as one message of several runs has them."""
    other = "2026-01-01T00:05:00+00:00"
    messages = [StubMessage([1, DUE]), StubMessage([2, other]), StubMessage([3, DUE])]
    assert all(gathering.offer(message) for message in messages)

    (one,) = taken
    assert arguments(one) == [[DUE, [1, 3]], [other, [2]]]
    assert one.headers["task"] == "taskadmin.runs"
    assert one.headers["timelimit"] == [60, None]
    assert one.headers["id"] == one.properties["correlation_id"]
    one.ack()
    assert [message.settled for message in messages] == [["ack"]] * 3
    assert one.acknowledged


def test_fewer_are_handed_on_after_a_moment(
    gathering: Gathering, taken: list[Any], later: list[Callable[[], None]]
) -> None:
    """Nobody waits for messages that don't come; twice called, nothing is handed on twice."""
    gathering.offer(StubMessage([1, DUE]))
    gathering.offer(StubMessage([2, DUE]))
    assert taken == [] and len(later) == 1

    later[0]()
    later[0]()

    assert [arguments(one) for one in taken] == [[[DUE, [1, 2]]]]


@pytest.mark.parametrize("settle", ["reject", "requeue"])
def test_what_becomes_of_one_becomes_of_all(
    gathering: Gathering, taken: list[Any], settle: str
) -> None:
    """A worker that is lost gives each of them back."""
    messages = [StubMessage([number, DUE]) for number in range(3)]
    for message in messages:
        gathering.offer(message)

    getattr(taken[0], settle)()

    assert [message.settled for message in messages] == [[settle]] * 3


def test_other_limits_are_another_message(gathering: Gathering, taken: list[Any]) -> None:
    """A limit is the whole message's."""
    gathering.offer(StubMessage([1, DUE]))
    gathering.offer(StubMessage([2, DUE], headers={"timelimit": [5, None]}))

    assert [arguments(one) for one in taken] == [[[DUE, [1]]]]


@pytest.mark.parametrize(
    "message",
    [
        StubMessage([1, DUE], redelivered=True),
        StubMessage([1, DUE], headers={"taskadmin_together": None}),
        StubMessage("no JSON"),
        StubMessage("5"),
        StubMessage([1]),
        StubMessage(["1", 2]),
    ],
)
def test_others_are_taken_alone(gathering: Gathering, taken: list[Any], message: Any) -> None:
    """Delivered again, of a job that records its start, or of a shape that makes no sense."""
    assert gathering.offer(message) is False
    gathering.hand_on()
    assert taken == []


def test_headers_that_are_none_are_left_to_celery(gathering: Gathering) -> None:
    """It says what is wrong with them."""
    message: Any = StubMessage([1, DUE])
    message.headers = None
    assert gathering.offer(message) is False
