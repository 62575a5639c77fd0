"""Webhooks: signed, never to private networks, and errors without secrets."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

from services.notifying.webhooks import KEY, receiver
from taskadmin.errors import InvalidChannel
from taskadmin.notifications import webhook
from taskadmin.notifications.failure import DeliveryFailed

SECRETIVE = "http://user:hunter22@127.0.0.1:9/hook/secret-path?token=abc"


def send(address: str, *, key: str = KEY, private: bool = True) -> str:
    """Send a message."""
    data: dict[str, Any] = {"title": "1 run failed – ü", "events": []}
    return webhook.send(address, key=key, message_id="msg_7", data=data, private_addresses=private)


def test_the_receiver_can_check_the_signature() -> None:
    """By the library of the specification."""
    with receiver() as found:
        assert send(found.url) == "HTTP 204"
        with pytest.raises(DeliveryFailed, match=r"127\.0\.0\.1: HTTP 400"):
            send(found.url, key=KEY.replace("MDEy", "MDEz"))

    (message,) = found.messages
    assert found.ids == ["msg_7"]
    assert message["type"] == "taskadmin.notification"
    assert message["data"] == {"title": "1 run failed – ü", "events": []}


@pytest.mark.parametrize("status", [302, 404, 410, 500, 503])
def test_only_2xx_is_success(status: int) -> None:
    """Redirects aren't followed."""
    with receiver() as found:
        found.status = status
        with pytest.raises(DeliveryFailed, match=f"HTTP {status}"):
            send(found.url)
        assert found.requests == 1


def test_private_addresses_are_refused() -> None:
    """Unless the setting allows them."""
    with receiver() as found:
        with pytest.raises(DeliveryFailed, match="TASKADMIN_PRIVATE_WEBHOOKS"):
            send(found.url, private=False)
        assert found.requests == 0


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "[::1]",
        "127.1",
        "100.64.0.1",
        "2130706433",
    ],
)
def test_so_are_other_forms_of_them(host: str) -> None:
    """Before anything is sent."""
    with pytest.raises(DeliveryFailed, match=r"TASKADMIN_PRIVATE_WEBHOOKS|InvalidURL"):
        send(f"http://{host}:9/", private=False)


def test_errors_have_the_host_only() -> None:
    """The path is often a secret; the traceback is stored with the run."""
    with pytest.raises(DeliveryFailed) as failed:
        send(SECRETIVE)

    text = "".join(traceback.format_exception(failed.value))
    assert "127.0.0.1: ConnectionError" in text
    assert not any(secret in text for secret in ("secret-path", "hunter22", "abc"))


@pytest.mark.parametrize(
    "address",
    [
        "",
        "example.com",
        "ftp://example.com/",
        "https://",
        "http://[::1",
        "http://a:99999/",
        "javascript:alert(1)",
    ],
)
def test_other_addresses_are_refused(address: str) -> None:
    """With an example."""
    with pytest.raises(InvalidChannel, match=r"such as https://example\.com/hook"):
        webhook.check(address)
    webhook.check("https://example.com/hook")
