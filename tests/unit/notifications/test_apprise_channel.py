"""Apprise: mail to a real server, and which addresses are refused."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from email import message_from_bytes, policy
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message

from taskadmin.errors import InvalidChannel
from taskadmin.notifications import apprise_channel
from taskadmin.notifications.failure import DeliveryFailed


class Mailbox(Message):
    """Keeps mails."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Any] = []

    def handle_message(self, message: Any) -> None:
        self.mails.append(message_from_bytes(message.as_bytes(), policy=policy.default))


@pytest.fixture
def mailbox() -> Iterator[tuple[str, list[Any]]]:
    """A server for mail on a free port: the address for Apprise, and what arrived."""
    handler = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    yield (
        f"mailto://127.0.0.1:{port}/?from=tasks@example.com&to=ops@example.com&mode=insecure",
        handler.mails,
    )
    controller.stop()


@pytest.mark.parametrize(
    ("parameter", "kind", "body"),
    [
        ("", "plain", "- 3 × <b>Import\n- ü"),
        ("&format=html", "html", r"3(&nbsp;| )×(&nbsp;| )&lt;b&gt;Import<br ?/>\s*-(&nbsp;| )ü"),
    ],
)
def test_a_mail_arrives(
    mailbox: tuple[str, list[Any]], parameter: str, kind: str, body: str
) -> None:
    """With title and lines, from the site; the markup of errors is text in HTML, too."""
    address, mails = mailbox
    address += parameter
    apprise_channel.check(address)

    done = apprise_channel.send(
        address, title="Shop: 3 runs failed", text="- 3 × <b>Import\n- ü", site="Shop"
    )

    (mail,) = mails
    assert done == "E-Mail"
    assert mail["Subject"] == "Shop: 3 runs failed"
    assert (mail["From"], mail["To"]) == ("tasks@example.com", "ops@example.com")
    assert re.search(body, mail.get_body((kind,)).get_content())


def test_a_refused_mail_fails_without_the_password() -> None:
    """The reason is Apprise's, with the address's parts masked."""
    address = (
        "mailto://127.0.0.1:9/?from=tasks@example.com&to=ops@example.com&user=me&pass=hunter22"
    )
    with pytest.raises(DeliveryFailed, match="E-Mail: ") as failed:
        apprise_channel.send(address, title="t", text="t", site="Shop")

    assert "hunter22" not in str(failed.value)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("", "can't read this address"),
        ("nonsense://example.com", "can't read this address"),
        ("slack://", "can't read this address"),
        ("json://10.0.0.1/", "use a webhook"),
        ("XMLS://10.0.0.1/", "use a webhook"),
        (" form://10.0.0.1/", "use a webhook"),
        ("syslog://", "screen or log"),
        ("dbus://", "screen or log"),
    ],
)
def test_some_addresses_are_refused(address: str, why: str) -> None:
    """Without the address in the reason."""
    with pytest.raises(InvalidChannel, match=why):
        apprise_channel.check(address)
