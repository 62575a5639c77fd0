"""Why a message couldn't be delivered."""

from __future__ import annotations

from importlib.util import find_spec

from ..errors import InvalidChannel
from ..translation.texts import gettext

INSTALL = "pip install 'taskadmin[notifications]'"


class DeliveryFailed(Exception):
    """A channel didn't accept a message; the run is tried again."""


def is_installed() -> bool:
    """Return whether the modules of the extra are installed."""
    return all(map(find_spec, ("apprise", "requests_hardened", "standardwebhooks")))


def missing_extra(*modules: str) -> None:
    """Refuse to go on without the modules of the extra.

    Raises:
        InvalidChannel: With the line that installs them.
    """
    if not all(map(find_spec, modules)):
        raise InvalidChannel(gettext("Notifications aren't installed: run %(line)s.", line=INSTALL))
