"""Look for events that people want to be told, and queue messages about them."""

from __future__ import annotations

from datetime import timedelta

from ...jobs import all_jobs
from ...models import NOTIFY_JOB
from ...store.notifications import sending
from .turn_context import TurnContext


def notify(turn: TurnContext) -> None:
    """Search the events of each channel; this turn sends the messages."""
    job = all_jobs().get(NOTIFY_JOB)
    if job is None:
        return  # without ``Notifications``
    for channel_id in sending.waiting_channels(turn.session):
        if not turn.has_time():
            break
        with turn.errors.collect(f"look for events of channel {channel_id}"):
            launch_id = sending.notify(
                turn.session,
                channel_id,
                owner=turn.owner,
                job=job,
                site=turn.settings.site_name,
                site_url=turn.settings.site_url,
                lease=timedelta(seconds=turn.settings.lease_seconds),
            )
            if launch_id is not None:
                turn.launch_ids.append(launch_id)
