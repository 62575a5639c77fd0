"""The job that delivers messages: each is a run, with its retries, limits and history."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from .. import service
from ..jobs import Run, job
from ..models import NOTIFY_JOB, ChannelKind
from ..state import get_state
from . import apprise_channel, webhook

#: Attempts within about a quarter of an hour: 15 + 30 + 60 + 120 + 240 + 480 seconds.
_ATTEMPTS, _BACKOFF_SECONDS = 7, 15.0


def register_job() -> None:
    """Register the job in this process."""
    job(
        name=NOTIFY_JOB,
        max_attempts=_ATTEMPTS,
        backoff_seconds=_BACKOFF_SECONDS,
        soft_time_limit=50.0,
        time_limit=60.0,
    )(send_notification)


def send_notification(
    channel: Annotated[int, Field(ge=1, description="Number of the channel.")],
    title: Annotated[str, Field(min_length=1, max_length=300)],
    text: Annotated[str, Field(max_length=50_000)],
    run: Run,
    details: dict[str, Any] | None = None,
) -> str:
    """Send a message to a channel of the notifications page."""
    state = get_state()
    secrets = service.channel_secrets(channel)
    # The job waits for the network.
    state.session.rollback()
    if secrets.kind == ChannelKind.APPRISE:
        site = state.settings.site_name
        return apprise_channel.send(secrets.address, title=title, text=text, site=site)
    return webhook.send(
        secrets.address,
        key=secrets.signing_key or "",
        message_id=f"msg_{run.run_id}",
        data={"title": title, "text": text, **(details or {})},
        private_addresses=state.settings.private_webhooks,
    )
