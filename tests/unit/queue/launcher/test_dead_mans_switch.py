"""Launchers tell a service outside that they launch."""

from __future__ import annotations

import logging

import pytest

from services.notifying.webhooks import receiver
from taskadmin.queue.launcher import dead_mans_switch
from taskadmin.settings import Settings


@pytest.fixture(autouse=True)
def _no_requests_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget other tests' requests."""
    monkeypatch.setattr(dead_mans_switch, "_requested_at", {})


def signal(url: str | None, seconds: float = 60.0) -> bool:
    """Signal, wait for the request, and return whether there was one."""
    thread = dead_mans_switch.signal(Settings(heartbeat_url=url, heartbeat_seconds=seconds))
    if thread is not None:
        thread.join(10)
    return thread is not None


def test_the_url_is_requested_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many turns there are."""
    with receiver() as found:
        assert [signal(found.url) for _ in range(3)] == [True, False, False]
        assert found.requests == 1
        monkeypatch.setitem(dead_mans_switch._requested_at, found.url, -1e9)
        assert signal(found.url)
        assert found.requests == 2


def test_it_is_off_unless_set() -> None:
    """By default."""
    assert not signal(None)


def test_a_failed_request_is_logged_without_the_path(caplog: pytest.LogCaptureFixture) -> None:
    """It ends neither the launcher nor the next requests."""
    with caplog.at_level(logging.WARNING, logger="taskadmin.launcher"):
        assert signal("http://127.0.0.1:9/secret-path")

    assert caplog.messages == [
        "Can't request TASKADMIN_HEARTBEAT_URL at 127.0.0.1: urllib.error.URLError"
    ]
