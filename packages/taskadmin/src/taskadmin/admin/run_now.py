"""A person starts tasks by hand, with their own arguments or with others."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from ..jobs import all_jobs
from ..models import User
from ..state import State
from ..store.by_hand import ManualLaunch, launch_by_hand
from ..texts import gettext
from .actor import current_actor
from .launching import Outcome, start_runs

log = logging.getLogger("taskadmin.admin")


def run_now(
    state: State,
    user: User,
    task_ids: Sequence[int],
    form_key: str | None,
    *,
    arguments: Mapping[str, Any] | None = None,
    masked: Collection[str] = (),
) -> Outcome:
    """Start one run for each task and say what happened.

    Args:
        form_key: Made with the page; a second submit of the same selection from the same
            page starts nothing.
        arguments: Others than the task's own, for one task; checked by its job's model.
        masked: Names of those that are never shown.
    """
    ids = sorted(set(task_ids))
    if not ids:
        return Outcome(gettext("No run was started: select the tasks to run."), "danger")
    username, user_id, actor = user.username, user.id, current_actor()

    def launch(batch: Sequence[int], request_key: UUID, owner: UUID) -> ManualLaunch:
        started = launch_by_hand(
            state.session,
            batch,
            requested_by=user_id,
            request_key=request_key,
            owner=owner,
            jobs=all_jobs(),
            arguments=arguments,
            masked=masked,
            actor=actor,
        )
        if started.new:
            log.info(
                "%s started %d runs",
                username,
                started.runs,
                # A log filter can't tell: the person's row is expired by the commit.
                extra={"launch_id": started.launch_id, "user": username},
            )
        return started

    gone = gettext("No run was started: the tasks are gone.")
    return start_runs(state, ids, form_key, launch, gone=gone)
