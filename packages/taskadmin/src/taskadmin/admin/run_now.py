"""A person starts tasks: queue the runs, send them, say what happened in one sentence."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID, uuid4, uuid5

from ..errors import BrokerUnavailable
from ..jobs import all_jobs
from ..models import User
from ..state import State
from ..store import launches
from ..store.by_hand import launch_by_hand

log = logging.getLogger("taskadmin.admin")


class Outcome(NamedTuple):
    """The sentence to show, and Flask's category of it."""

    sentence: str
    category: str = "success"


def run_now(state: State, user: User, task_ids: Sequence[int], form_key: str | None) -> Outcome:
    """Start one run for each task and say what happened.

    Args:
        form_key: Made with the page; a second submit of the same selection from the same
            page starts nothing.
    """
    session = state.session
    ids = sorted(set(task_ids))
    if not ids:
        return Outcome("No run was started: select the tasks to run.", "danger")
    owner = uuid4()
    started = launch_by_hand(
        session,
        ids,
        requested_by=user.id,
        request_key=_request_key(form_key, ids),
        owner=owner,
        jobs=all_jobs(),
    )
    if not started.new:
        return Outcome("These runs were started already; nothing was started twice.")
    log.info(
        "%s started %d runs", user.username, started.runs, extra={"launch_id": started.launch_id}
    )
    if not started.runs:
        launches.release(session, started.launch_id, owner)
        return Outcome(
            "No run was started: the tasks are gone, or nobody here knows their jobs.", "danger"
        )
    runs = "1 run is" if started.runs == 1 else f"{started.runs:,} runs are"
    if state.publish is None:
        launches.release(session, started.launch_id, owner)
        return Outcome(f"{runs} queued. This application sends nothing itself: a launcher does.")
    try:
        state.publish(started.launch_id, owner)
    except BrokerUnavailable as error:
        log.warning("%s", error, extra={"launch_id": started.launch_id})
        launches.release(session, started.launch_id, owner)
        return Outcome(f"{runs} queued and will be sent when the broker is back.")
    except launches.LaunchLost:
        pass  # this request took a minute, and a launcher sends the rest
    return Outcome(f"{runs} queued and sent to the workers.")


def _request_key(form_key: str | None, ids: Sequence[int]) -> UUID:
    try:
        page = UUID(form_key or "")
    except ValueError:
        return uuid4()
    return uuid5(page, ",".join(map(str, ids)))
