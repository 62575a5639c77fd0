"""``TaskQueue``: connect taskadmin with Celery."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING
from uuid import UUID

from celery import Celery

from ..errors import RegistrationError
from ..jobs import find_jobs
from ..state import Echo, QueueState, get_state, register
from . import celery_tasks  # noqa: F401 - register themselves with Celery
from .celery_app.configuration import add_default_queue, add_queues, add_schedule, make_celery
from .celery_app.context import bind
from .celery_app.queues import DEAD_QUEUE, consumed_queues
from .inspection import queue_states
from .publishing.sending import publish_launch
from .worker import control, lifecycle  # noqa: F401 - register themselves with Celery
from .worker.control import terminate_runs

if TYPE_CHECKING:
    from flask import Flask


#: Maximum time for a web page to publish runs, in seconds; a launcher publishes the rest.
_PUBLISH_SECONDS = 1.0
#: Timeouts for the states of queues and for a worker's reply, in seconds.
_INSPECT_SECONDS = 1.0
_PING_SECONDS = 3.0


class TaskQueue:
    """Adds launcher, worker and beat entries to a Celery application, the host's or one of ours.

    Ours is configured by ``app.config["CELERY"]`` and is at ``app.extensions["taskadmin"].celery``.
    A host's gets the beat entries ``taskadmin.launch_tasks`` and ``taskadmin.tick``, unless it has
    entries of these names. Its workers stay as they are, and consume the queues
    ``taskadmin.launch`` and ``taskadmin.runs`` only if their ``-Q`` names them; all workers of
    ours do.
    """

    def init_app(self, app: Flask, *, celery: Celery | None = None) -> None:
        """Register the Celery tasks for *app*; no connection is opened.

        Raises:
            RegistrationError: Without ``Models``, on a second call, or if *celery* isn't a Celery
                application.
            ConfigurationError: If a module of ``TASKADMIN_JOBS`` can't be imported, or
                ``app.config["CELERY"]`` isn't a dictionary.
        """
        state = register(app, "TaskQueue", needs=("Models",))
        # Workers consume the jobs' queues.
        find_jobs(state.settings.jobs)
        if celery is None:
            celery = make_celery(app)
            add_queues(celery)
        else:
            if not isinstance(celery, Celery):
                raise RegistrationError(
                    f"celery is of type {type(celery).__name__}; expected your Celery application."
                    ' For settings of an own one, set app.config["CELERY"].'
                )
            add_default_queue(celery)
        state.celery = celery
        add_schedule(state.celery, state.settings)
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
            from .round_trip import (
                echo,
            )  # imports Celery's reply queues, for the page of workers only

            current = get_state(app)
            assert current.celery is not None
            return echo(current.celery, timeout_seconds=_PING_SECONDS)

        state.inspect = inspect
        state.ping = ping
        state.publish = publish
        state.terminate = terminate
