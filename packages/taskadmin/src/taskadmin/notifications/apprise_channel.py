"""Send messages by Apprise: mail, Slack, Teams, PagerDuty and a hundred others."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from ..errors import InvalidChannel
from ..translation.texts import gettext
from .failure import DeliveryFailed, missing_extra

if TYPE_CHECKING:
    from apprise import NotifyBase

#: Schemes that show messages on the worker's machine, where nobody looks.
_LOCAL = {"blink1", "dbus", "gio", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows"}
#: Schemes that send requests to any address: webhooks are for that, which check it.
_GENERIC = {"form", "forms", "json", "jsons", "xml", "xmls"}
#: Parts of a URL that are shorter than this aren't secrets.
_SECRET_CHARACTERS = 4


def check(address: str) -> None:
    """Refuse an address that Apprise can't send to.

    Raises:
        InvalidChannel: With the reason; it doesn't contain the address.
    """
    missing_extra("apprise")
    _plugin(address, "taskadmin")


def send(address: str, *, title: str, text: str, site: str) -> str:
    """Send a message, and return the name of the service that accepted it.

    Raises:
        DeliveryFailed: With Apprise's reason, in which parts of the address are masked.
    """
    missing_extra("apprise")
    import apprise  # an extra

    plugin = _plugin(address, site)
    service = apprise.Apprise()
    service.add(plugin)
    captured = apprise.LogCapture(level=logging.WARNING, fmt="%(message)s")  # type: ignore[no-untyped-call]
    with captured as log:
        # With the format, services of HTML or Markdown get line breaks and no markup of errors.
        accepted = service.notify(text, title, body_format=apprise.NotifyFormat.TEXT)
        said = log.getvalue()
    if not accepted:
        raise DeliveryFailed(
            f"{plugin.service_name}: {_masked(said, address) or 'no reason given'}"
        )
    return str(plugin.service_name)


def _plugin(address: str, site: str) -> NotifyBase:
    import apprise

    scheme = address.partition(":")[0].strip().lower()
    if scheme in _LOCAL:
        raise InvalidChannel(gettext("These messages would appear on a worker's screen or log."))
    if scheme in _GENERIC:
        raise InvalidChannel(gettext("For requests to an address of yours, use a webhook."))
    asset = apprise.AppriseAsset(app_id=site, app_desc=site, app_url="")
    plugin = apprise.Apprise.instantiate(address, asset=asset)
    if plugin is None:
        raise InvalidChannel(gettext("Apprise can't read this address: see its documentation."))
    # Split long messages, which some services refuse.
    plugin.overflow_mode = apprise.OverflowMode.SPLIT
    return plugin


def _masked(said: str, address: str) -> str:
    """Mask all parts of the address in an error."""
    parts = [one for one in re.split(r"[/:@?&=#]", address) if len(one) >= _SECRET_CHARACTERS]
    for part in sorted(parts, key=len, reverse=True):
        for form in (part, unquote(part)):
            said = said.replace(form, "••••")
    return " ".join(said.split())[:1000]
