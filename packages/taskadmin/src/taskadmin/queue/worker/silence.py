"""Tell people that beat or the launchers are silent: workers and beat do it, if they still run."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from uuid import uuid4

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from ...errors import BrokerUnavailable
from ...jobs import Job, all_jobs
from ...models import NOTIFY_JOB
from ...state import State, get_state
from ...store.database.outage import first_line
from ...store.database.rights import log_once
from ...store.launches import launches
from ...store.notifications import sending

log = logging.getLogger("taskadmin.silence")


class SilenceWatch:
    """Looks for silent launchers while this process runs, as often as they look for events."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._began_at = self._looked_at = time.monotonic()

    def look(self) -> None:
        """Send the messages that launchers would, if none has begun a turn for too long."""
        job, moment = all_jobs().get(NOTIFY_JOB), time.monotonic()
        if job is None or moment - self._looked_at < sending.SEARCH_INTERVAL.total_seconds():
            return
        self._looked_at = moment
        try:
            with self._app.app_context():
                self._look(get_state(self._app), job, timedelta(seconds=moment - self._began_at))
        except SQLAlchemyError as error:
            log_once(log, f"Can't look for silent launchers: {first_line(error)}")

    def _look(self, state: State, job: Job, watched: timedelta) -> None:
        for channel_id in sending.channels_of_silence(state.session, watched=watched):
            owner = uuid4()
            launch_id = sending.notify(
                state.session,
                channel_id,
                owner=owner,
                job=job,
                site=state.settings.site_name,
                site_url=state.settings.site_url,
                lease=timedelta(seconds=state.settings.lease_seconds),
            )
            if launch_id is None or state.publish is None:
                continue
            try:
                state.publish(launch_id, owner)
            except (BrokerUnavailable, launches.LaunchLost) as error:
                log.warning("%s", error, extra={"launch_id": launch_id})
                launches.release(state.session, launch_id, owner)
