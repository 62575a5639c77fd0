"""``TaskQueue``: connects taskadmin with Celery."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING
from uuid import UUID

from ..jobs import find_jobs
from ..state import Echo, QueueState, get_state, register
from . import celery_tasks, control, lifecycle  # noqa: F401 - register themselves with Celery
from .configuration import add_queues_and_schedule, make_celery
from .context import bind
from .control import terminate_runs
from .inspection import queue_states
from .launcher import publish_launch
from .names import DEAD_QUEUE, consumed_queues

if TYPE_CHECKING:
    from celery import Celery
    from flask import Flask


#: How long a web page sends runs; a launcher sends the rest.
_PUBLISH_SECONDS = 1.0
#: How long one waits for the broker's word on the queues, and for a worker's answer.
_INSPECT_SECONDS = 1.0
_PING_SECONDS = 3.0


class TaskQueue:
    """Launcher, worker and beat entries in a Celery application, the host's or one of ours.

    Ours is configured by ``app.config["CELERY"]`` and is at
    ``app.extensions["taskadmin"].celery``. A host's gets three things added: the queues
    ``taskadmin.launch`` and ``taskadmin.runs``, and the beat entries
    ``taskadmin.launch_tasks`` and ``taskadmin.tick``; entries of the same name that the
    host has win.
    """

    def init_app(self, app: Flask, *, celery: Celery | None = None) -> None:
        """Register the Celery tasks for *app*; no connection is opened.

        Raises:
            RegistrationError: Without ``Models``, or on a second call.
            ConfigurationError: If a module of ``TASKADMIN_JOBS`` can't be imported.
        """
        state = register(app, "TaskQueue", needs=("Models",))
        # Their queues are the workers'.
        find_jobs(state.settings.jobs)
        state.celery = make_celery(app) if celery is None else celery
        add_queues_and_schedule(state.celery, state.settings)
        bind(state.celery, app)

        def publish(launch_id: int, owner: UUID) -> int:
            current = get_state(app)
            assert current.celery is not None
            return publish_launch(
                current.session,
                current.celery,
                current.settings,
                launch_id,
                owner,
                seconds=_PUBLISH_SECONDS,
            )

        def terminate(run_ids: Collection[int]) -> dict[int, str]:
            current = get_state(app)
            assert current.celery is not None
            return terminate_runs(current.celery, run_ids)

        def inspect() -> list[QueueState] | None:
            current = get_state(app)
            assert current.celery is not None
            return queue_states(
                current.celery,
                [*(queue.name for queue in consumed_queues()), DEAD_QUEUE],
                timeout_seconds=_INSPECT_SECONDS,
                altogether_seconds=_INSPECT_SECONDS,
            )

        def ping() -> Echo:
            from .round_trip import echo  # Celery's reply queues: for the page of workers only

            current = get_state(app)
            assert current.celery is not None
            return echo(current.celery, timeout_seconds=_PING_SECONDS)

        state.inspect = inspect
        state.ping = ping
        state.publish = publish
        state.terminate = terminate
