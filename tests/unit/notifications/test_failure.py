"""Without the extra, people see the line that installs it."""

from __future__ import annotations

import pytest

from taskadmin.errors import InvalidChannel
from taskadmin.notifications import apprise_channel, failure, webhook
from taskadmin.notifications.failure import missing_extra


def test_the_line_is_in_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """For each kind of channel."""
    missing_extra("json")
    monkeypatch.setattr(failure, "find_spec", lambda _: None)
    for check in (apprise_channel.check, webhook.check):
        with pytest.raises(InvalidChannel, match=r"pip install 'taskadmin\[notifications\]'"):
            check("https://example.com/")
