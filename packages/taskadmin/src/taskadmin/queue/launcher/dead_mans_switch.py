"""Tell a service outside that launchers launch: it alone can report that everything is down."""

from __future__ import annotations

import logging
import threading
import time
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from ...settings import Settings
from ...values.type_names import type_name

log = logging.getLogger("taskadmin.launcher")

#: Seconds to connect, and between two bytes of the response.
_TIMEOUT_SECONDS = 10.0

#: When each URL was requested by this process, in monotonic seconds.
_requested_at: dict[str, float] = {}


def signal(settings: Settings) -> threading.Thread | None:
    """Request the URL of the settings in a thread, unless this process did so recently.

    The launcher doesn't wait for the response.
    """
    url, now = settings.heartbeat_url, time.monotonic()
    if url is None or now - _requested_at.get(url, -float("inf")) < settings.heartbeat_seconds:
        return None
    _requested_at[url] = now
    thread = threading.Thread(target=_request, args=(url,), daemon=True)
    thread.start()
    return thread


def _request(url: str) -> None:
    # S310: the setting accepts http and https only.
    request = Request(url, headers={"User-Agent": "taskadmin"})  # noqa: S310
    try:
        with urlopen(request, timeout=_TIMEOUT_SECONDS):  # noqa: S310
            pass
    except Exception as error:  # noqa: BLE001 - the launcher's work is done
        # Without the path, which is often a secret.
        host = urlsplit(url).hostname
        log.warning("Can't request TASKADMIN_HEARTBEAT_URL at %s: %s", host, type_name(error))
