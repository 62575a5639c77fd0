"""The broker's confirmations, in any order."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
from kombu import Connection

from taskadmin.queue.publishing import confirms as module
from taskadmin.queue.publishing.confirms import Confirms, NoConfirms


class StubConnection:
    """A connection whose broker's replies a test provides."""

    def __init__(self) -> None:
        self.events: dict[str, set[Any]] = defaultdict(set)
        self.waits: list[float] = []
        #: Replies for the next waits: event and arguments.
        self.said: list[tuple[Any, ...]] = []

    def channel(self) -> Any:
        """A channel in confirm mode."""
        return SimpleNamespace(events=self.events, confirm_select=lambda: None)

    def drain_events(self, timeout: float) -> None:
        """Deliver the next reply."""
        self.waits.append(timeout)
        event, *arguments = self.said.pop(0)
        for listener in self.events[event]:
            listener(*arguments)


@pytest.fixture
def broker() -> StubConnection:
    return StubConnection()


def test_messages_are_confirmed_one_by_one_or_up_to_one(broker: StubConnection) -> None:
    """Each is reported once; refused and returned messages never are."""
    confirms = Confirms(broker, seconds=lambda: 2.5)
    for name in "abcdef":
        confirms.note(name)
    message = SimpleNamespace(properties={"correlation_id": "f"})
    broker.said = [
        ("basic_ack", 2, False),
        ("basic_nack", 3, False),
        ("basic_return", None, "", "nowhere", message),
        ("basic_ack", 9, False),  # unknown
        ("basic_ack", 6, True),
    ]
    confirms.wait()
    assert confirms.confirmed() == {"a", "b", "d", "e"}
    assert confirms.confirmed() == set()
    assert broker.waits == [2.5] * 5


def test_messages_confirmed_before_an_error_are_known(broker: StubConnection) -> None:
    """The state of the others is unknown."""
    confirms = Confirms(broker, seconds=lambda: 1)
    for name in "ab":
        confirms.note(name)
    broker.said = [("basic_ack", 1, False)]
    with pytest.raises(IndexError):
        confirms.wait()
    assert confirms.confirmed() == {"a"}


def test_only_so_many_are_under_way(
    broker: StubConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next message waits for a confirmation."""
    monkeypatch.setattr(module, "MAX_UNCONFIRMED", 2)
    confirms = Confirms(broker, seconds=lambda: 1)
    broker.said = [("basic_ack", 1, False), ("basic_ack", 2, False)]
    waits = []
    for name in "abcd":
        confirms.note(name)
        waits.append(len(broker.waits))
    assert waits == [0, 0, 1, 2]


def test_without_confirms_messages_count_as_sent() -> None:
    """There is nothing to wait for."""
    at_once = NoConfirms(Connection("memory://"))
    at_once.note("a")
    at_once.wait()
    assert (at_once.confirmed(), at_once.confirmed()) == ({"a"}, set())
