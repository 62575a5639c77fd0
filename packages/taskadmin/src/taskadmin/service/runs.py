"""Start, retry, cancel, terminate and delete runs."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

from ..errors import BrokerUnavailable, SendingDisabled
from ..jobs import all_jobs, get_job
from ..models import RunState, TaskResult
from ..state import State, get_state
from ..store.launches import launches, manual, run_actions
from ..store.launches.manual import ManualLaunch
from ..store.launches.run_actions import DeletedRuns
from ..store.people.audit import Actor
from ..store.runs import results
from ..values.ids import MAX_BIG_ID, MAX_ID, can_be_id, possible_ids
from ..values.storable import escaped_text
from .tasks import actor_or_application, batches, existing_task, validated_arguments

log = logging.getLogger("taskadmin.service")

#: Maximum queued runs to ask workers about, since they may execute them unclaimed.
_MAX_ASKED = 1_000


class Sending(StrEnum):
    """Who publishes queued runs."""

    NOTHING = "nothing queued"
    SENT = "sent"
    #: A launcher publishes them, since there are too many to wait for.
    BY_LAUNCHER = "by launcher"
    #: A launcher publishes them, since this application has no ``TaskQueue``.
    NO_QUEUE = "no queue"
    #: A launcher publishes them once the broker is reachable.
    BROKER_AWAY = "broker away"
    #: Nobody, while Celery's ``task_always_eager`` is on.
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Started:
    """The result of starting runs.

    Attributes:
        launch_ids: The new launches, one per thousand runs; the earlier ones if all runs were
            already started under the same request key.
        queued: Number of queued runs.
        skipped: Number of skipped runs.
        is_repeated: Whether everything was started before.
    """

    launch_ids: Sequence[int]
    queued: int
    skipped: int
    sending: Sending
    is_repeated: bool


def find_run(run_id: int) -> TaskResult | None:
    """Return a run with its task and launch, or None."""
    if not can_be_id(run_id, largest=MAX_BIG_ID):
        return None
    return results.find_run(get_state().session, run_id)


def find_runs(
    *,
    task: int | str | None = None,
    launch_id: int | None = None,
    state: RunState | None = None,
    limit: int = 100,
) -> Sequence[TaskResult]:
    """Return the newest runs with their tasks.

    Args:
        task: The task's id or name.
        launch_id: One of ``Started.launch_ids``.

    Raises:
        UnknownTask: If there is no such task, or several with this name.
    """
    task_id = None if task is None else existing_task(task).id
    if launch_id is not None and not can_be_id(launch_id, largest=MAX_BIG_ID):
        return []
    return results.page_of_runs(
        get_state().session, task_id=task_id, launch_id=launch_id, state=state, limit=limit
    )


def start_task(
    task: int | str,
    *,
    arguments: Mapping[str, object] | None = None,
    masked: Collection[str] = (),
    actor: Actor | None = None,
    request_key: str | None = None,
) -> Started:
    """Start a run of a task, paused or not, optionally with other arguments.

    Args:
        task: The task's id, or its name if it is unique.
        arguments: Replace all of the task's arguments.
        masked: Names of *arguments* that are never shown, besides those that are masked anyway.
        actor: Named in the audit entry; by default the application.
        request_key: Any text; a repeated key for the same task starts nothing.

    Raises:
        UnknownTask: If there is no such task, or several with this name.
        UnknownJob: If *arguments* can't be validated because the job isn't registered.
        InvalidArguments: If *arguments* don't fit the job.
    """
    one = existing_task(task)
    if arguments is None:
        return start_tasks([one.id], actor=actor, request_key=request_key)
    checked = validated_arguments(one.job, arguments)
    hidden = get_job(one.job).masked.union(one.masked, masked) & checked.keys()
    return _start_tasks([one.id], checked, hidden, actor, request_key)


def start_tasks(
    task_ids: Collection[int], *, actor: Actor | None = None, request_key: str | None = None
) -> Started:
    """Start a run of each task, paused or not; deleted tasks are left out."""
    return _start_tasks(task_ids, None, (), actor, request_key)


def retry_runs(
    run_ids: Collection[int],
    *,
    as_tasks: bool = False,
    skip_retried: bool = False,
    actor: Actor | None = None,
    request_key: str | None = None,
) -> Started:
    """Start a new run for each finished one, with its job and arguments.

    Args:
        as_tasks: Use the job and arguments that the tasks have now instead.
        skip_retried: Leave out runs of which a retry exists.
        actor: Named in the audit entry; by default the application.
        request_key: Any text; a repeated key for the same runs starts nothing.
    """
    by = actor_or_application(actor)

    def launch(batch: Sequence[int], key: UUID, owner: UUID) -> ManualLaunch:
        return run_actions.retry_runs(
            get_state().session,
            batch,
            actor=by,
            request_key=key,
            owner=owner,
            jobs=all_jobs(),
            as_tasks=as_tasks,
            skip_retried=skip_retried,
        )

    return _start(run_ids, MAX_BIG_ID, launch, request_key, by)


@dataclass(frozen=True, slots=True)
class Cancellation:
    """The result of cancelling runs.

    Attributes:
        number: Number of cancelled runs.
        answers: Number of running jobs by the answer of ``State.terminate``, or by "no queue" if
            this application has no ``TaskQueue``.
    """

    number: int
    answers: Mapping[str, int]


def cancel_runs(run_ids: Collection[int], *, actor: Actor | None = None) -> Cancellation:
    """Cancel queued runs."""
    return _cancel(run_ids, actor, terminate=False)


def terminate_runs(run_ids: Collection[int], *, actor: Actor | None = None) -> Cancellation:
    """Cancel queued and running runs, and terminate their jobs."""
    return _cancel(run_ids, actor, terminate=True)


def delete_runs(run_ids: Collection[int], *, actor: Actor | None = None) -> DeletedRuns:
    """Delete failed runs for good, once their launches are closed."""
    by = actor_or_application(actor)
    deleted: list[int] = []
    early = 0
    for batch in batches(run_ids, largest=MAX_BIG_ID):
        done = run_actions.delete_runs(get_state().session, batch, actor=by)
        deleted += done.run_ids
        early += done.too_early
    if deleted:
        extra = {"user": by.name}
        log.info("%s deleted %d failed runs", by.name, len(deleted), extra=extra)
    return DeletedRuns(deleted, early)


def _cancel(run_ids: Collection[int], actor: Actor | None, *, terminate: bool) -> Cancellation:
    by = actor_or_application(actor)
    queued: list[int] = []
    running: list[int] = []
    unseen: list[int] = []
    for batch in batches(run_ids, largest=MAX_BIG_ID):
        done = run_actions.cancel_runs(get_state().session, batch, actor=by, running=terminate)
        queued += done.queued
        running += done.running
        unseen += done.unseen if terminate else ()
    number = len(queued) + len(running)
    if number:
        log.info("%s cancelled %d runs", by.name, number, extra={"user": by.name})
    return Cancellation(number, _terminate(running, unseen[:_MAX_ASKED]))


def _terminate(running: Sequence[int], unseen: Sequence[int]) -> Mapping[str, int]:
    """Count the answers about running jobs, and about unclaimed ones that are executing."""
    terminate = get_state().terminate
    if terminate is None or not (running or unseen):
        return Counter(["no queue"] * len(running))
    answers = terminate([*running, *unseen])
    executing = [
        answers[run_id] for run_id in unseen if answers[run_id] in ("terminated", "impossible")
    ]
    return Counter([*(answers[run_id] for run_id in running), *executing])


def _start_tasks(
    task_ids: Collection[int],
    arguments: Mapping[str, object] | None,
    masked: Collection[str],
    actor: Actor | None,
    request_key: str | None,
) -> Started:
    by = actor_or_application(actor)

    def launch(batch: Sequence[int], key: UUID, owner: UUID) -> ManualLaunch:
        return manual.launch_manually(
            get_state().session,
            batch,
            requested_by=by.user_id,
            request_key=key,
            owner=owner,
            jobs=all_jobs(),
            arguments=arguments,
            masked=masked,
            actor=by,
        )

    return _start(task_ids, MAX_ID, launch, request_key, by)


def _start(
    ids: Collection[int],
    largest: int,
    launch: Callable[[Sequence[int], UUID, UUID], ManualLaunch],
    request_key: str | None,
    actor: Actor,
) -> Started:
    """Launch *ids* in batches; publish a single batch here, and release more to launchers."""
    owner = uuid4()
    selection = ",".join(map(str, possible_ids(ids, largest=largest)))
    whole = (
        uuid5(uuid5(NAMESPACE_OID, escaped_text(request_key)), selection) if request_key else owner
    )
    started = [
        launch(batch, uuid5(whole, str(number)), owner)
        for number, batch in enumerate(batches(ids, largest=largest))
    ]
    new = [one for one in started if one.new]
    for one in new:
        extra = {"launch_id": one.launch_id, "user": actor.name}
        log.info("%s started %d runs", actor.name, one.runs, extra=extra)
    return Started(
        launch_ids=[one.launch_id for one in new or started],
        queued=sum(one.runs for one in new),
        skipped=sum(one.skipped for one in new),
        sending=_send(get_state(), new, owner),
        is_repeated=bool(started) and not new,
    )


def _send(state: State, started: Sequence[ManualLaunch], owner: UUID) -> Sending:
    """Publish a launch that belongs to *owner*, or release it to launchers."""
    sending = Sending.SENT
    if not any(one.runs for one in started):
        sending = Sending.NOTHING
    elif state.publish is None:
        sending = Sending.NO_QUEUE
    elif len(started) > 1:
        sending = Sending.BY_LAUNCHER
    else:
        launch_id = started[0].launch_id
        try:
            # On a busy machine, its time may be up before it has sent anything.
            if state.publish(launch_id, owner) < started[0].runs:
                sending = Sending.BY_LAUNCHER
        except BrokerUnavailable as error:
            log.warning("%s", error, extra={"launch_id": launch_id})
            disabled = isinstance(error, SendingDisabled)
            sending = Sending.DISABLED if disabled else Sending.BROKER_AWAY
        except launches.LaunchLost:
            pass  # publishing took a minute, and a launcher took over
    if sending != Sending.SENT:
        for one in started:
            launches.release(state.session, one.launch_id, owner)
    return sending
