"""Send messages as signed requests: Standard Webhooks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from ..errors import InvalidChannel
from ..translation.texts import gettext
from .failure import DeliveryFailed, missing_extra

#: Seconds to connect, and between two bytes of the response.
_TIMEOUT_SECONDS = 10.0
_EVENT_TYPE = "taskadmin.notification"


def check(address: str) -> None:
    """Refuse an address that isn't a URL of the web.

    Raises:
        InvalidChannel: With the reason.
    """
    missing_extra("requests_hardened", "standardwebhooks")
    try:
        split = urlsplit(address)
        fits = split.scheme in ("http", "https") and bool(split.hostname) and split.port != 0
    except ValueError:
        fits = False
    if not fits:
        raise InvalidChannel(gettext("Enter an address such as https://example.com/hook."))


def send(
    address: str,
    *,
    key: str,
    message_id: str,
    data: Mapping[str, Any],
    private_addresses: bool,
) -> str:
    """Send *data* with its signature, and return the response's status.

    Redirects aren't followed: the receiver that was checked has to accept the message.

    Args:
        key: The signing key, ``whsec_`` and base64.
        message_id: The same for each attempt, so that the receiver can recognize them.
        private_addresses: Whether the receiver may be on this machine or in private networks.

    Raises:
        DeliveryFailed: If the receiver isn't reached, or its status isn't 2xx; the text has the
            host, not the path, which is often a secret.
    """
    missing_extra("requests_hardened", "standardwebhooks")
    import requests  # an extra
    from requests_hardened.ip_filter import InvalidIPAddress
    from requests_hardened.ip_filter_adapter import IPFilterAdapter
    from standardwebhooks import Webhook

    now = datetime.now(UTC)
    payload = {"type": _EVENT_TYPE, "timestamp": now.isoformat(timespec="seconds"), "data": data}
    body = json.dumps(payload, separators=(",", ":"))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "taskadmin",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(key).sign(message_id, now, body),
    }
    host = urlsplit(address).hostname
    with requests.Session() as session:
        session.trust_env = False  # proxies and passwords of the worker's machine
        if not private_addresses:
            # These connect to the address that was checked, even if the name resolves anew.
            session.mount("http://", IPFilterAdapter(is_https_proto=False))
            session.mount("https://", IPFilterAdapter(is_https_proto=True))
        try:
            with session.post(
                address,
                data=body.encode(),
                headers=headers,
                timeout=_TIMEOUT_SECONDS,
                allow_redirects=False,
                stream=True,  # the body isn't read
            ) as response:
                status = response.status_code
        except InvalidIPAddress:
            raise DeliveryFailed(
                f"{host} isn't a public address: TASKADMIN_PRIVATE_WEBHOOKS has to allow it"
            ) from None
        except (requests.RequestException, ValueError) as error:
            # Its text and its traceback contain the path.
            raise DeliveryFailed(f"{host}: {type(error).__name__}") from None
    if not 200 <= status < 300:
        raise DeliveryFailed(f"{host}: HTTP {status}")
    return f"HTTP {status}"
