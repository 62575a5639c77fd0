"""Calls of all functions of the ledger, on a site with rows of every kind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from services.ledger.world import DAY, ME, MINUTE, SECOND, World
from services.rows.runs import DONE, DUE, FAILED, unclaimed
from taskadmin.jobs import all_jobs
from taskadmin.jobs.context import Progress
from taskadmin.models import (
    EventNotice,
    Launch,
    LaunchKind,
    LedgerState,
    NotificationChannel,
    NotificationRule,
    NotifiedEvent,
    ProcessEnd,
    RunState,
    TaskSchedule,
)
from taskadmin.store.database import clock
from taskadmin.store.database.transaction import ledger_transaction
from taskadmin.store.launches import closing, due, launches, manual, missed, run_actions, slots
from taskadmin.store.notifications import sending
from taskadmin.store.people.audit import TASKADMIN
from taskadmin.store.reports import failures, health, overdue, run_details
from taskadmin.store.runs import durations, open_runs, overlap, progress, results, transitions
from taskadmin.store.runs.durations import Durations
from taskadmin.store.runs.outcome_columns import FinishedRun
from taskadmin.store.tasks import pauses, schedules, tasks
from taskadmin.store.upkeep import (
    ledger_state,
    minute_counts,
    processes,
    pruning,
    recovery,
    run_totals,
)


def _open_new_slot(session: Session, _: World) -> None:
    session.execute(delete(Launch).where(Launch.kind == LaunchKind.SLOT))
    session.commit()
    assert slots.open_slot(session, DAY.total_seconds()) is not None


def _miss_slots(session: Session, _: World) -> None:
    state = session.get_one(LedgerState, 1, populate_existing=True)
    state.interval_seconds, state.slots_upto = 300.0, clock.now(session) - 3 * MINUTE - 600 * SECOND
    session.commit()
    missed.record_missed_slots(session, 300.0, policy=missed.MissedSlots.SKIP, grace=MINUTE)


def _in_transaction(work: Callable[[Session, World], Any]) -> Callable[[Session, World], Any]:
    def call(session: Session, world: World) -> Any:
        with ledger_transaction(session):
            return work(session, world)

    return call


def _due(session: Session, world: World) -> Any:
    return due.launch_due(
        session,
        owner=uuid4(),
        jobs=all_jobs(),
        since=DUE,
        slot_interval_seconds=300,
        ownership=MINUTE,
        limit=2,
    )


def _finish(session: Session, world: World) -> None:
    """Finish one or two runs, claimed or not, with every outcome."""
    for number in (1, 2):
        for outcome, retry_delay in ((DONE, None), (FAILED, None), (FAILED, SECOND)):
            runs, token = world.claimed(number)
            for taken in (runs, [unclaimed(world.run()[0]) for _ in range(number)]):
                done = [FinishedRun(run, outcome, retry_delay) for run in taken]
                assert len(transitions.finish(session, done, token)) == number


def _notify(session: Session, world: World) -> None:
    """Search with a rule of each event, and queue a message."""
    moment = clock.now(session)
    channel = NotificationChannel(
        name=str(uuid4()),
        kind="webhook",
        address="sealed",
        gather_seconds=0,
        read_upto=moment - DAY,
        created_by=world.site.user,
    )
    session.add(channel)
    session.flush()
    for event in NotifiedEvent:
        session.add(NotificationRule(channel_id=channel.id, event=event, number=None))
        session.add(
            NotificationRule(channel_id=channel.id, event=event, number=3, task_id=world.site.task)
        )
    session.add(EventNotice(channel_id=channel.id, event="failed", key="failed:1", noted_at=moment))
    session.commit()
    job = all_jobs()["generate_random_number"]  # any job
    assert sending.notify(
        session, channel.id, owner=world.owner, job=job, site="Shop", lease=MINUTE
    )


def _give_back(session: Session, world: World) -> None:
    runs, token = world.claimed(2)
    assert len(transitions.give_back(session, [run.id for run in runs], token)) == 2


#: A call of each function of the ledger.
CALLS: dict[Callable[..., Any], Callable[[Session, World], Any]] = {
    manual.launch_manually: lambda s, w: manual.launch_manually(
        s,
        [w.plain_task.id, w.scheduled_task],
        requested_by=w.site.user,
        request_key=uuid4(),
        owner=w.owner,
        jobs=all_jobs(),
    ),
    closing.close_finished: lambda s, w: closing.close_finished(s),
    due.launch_due: _due,
    due.schedules_of: lambda s, w: due.schedules_of(s, [w.scheduled_task]),
    failures.recent_failures: lambda s, w: failures.recent_failures(s),
    health.server: lambda s, w: health.server(s),
    health.clock_skew: lambda s, w: health.clock_skew(s, samples=1),
    health.beat_lag: lambda s, w: health.beat_lag(s),
    health.live_processes: lambda s, w: health.live_processes(s),
    health.missed_slots: lambda s, w: health.missed_slots(s, since=DAY),
    health.stuck_runs: lambda s, w: health.stuck_runs(s, older_than=MINUTE),
    health.stuck_launches: lambda s, w: health.stuck_launches(s, older_than=MINUTE),
    health.results_size: lambda s, w: health.results_size(s),
    slots.open_slot: _open_new_slot,
    slots.resumable: lambda s, w: slots.resumable(s),
    launches.take: lambda s, w: w.owned(),
    launches.queue_page: lambda s, w: launches.queue_page(
        s, w.owned(), w.owner, page_size=20, jobs=all_jobs()
    ),
    launches.unsent_runs: lambda s, w: launches.unsent_runs(s, w.site.launch, limit=5),
    launches.traces_of: lambda s, w: launches.traces_of(
        s, launches.unsent_runs(s, w.site.launch, limit=5)
    ),
    launches.mark_sent: lambda s, w: launches.mark_sent(s, w.owned(), w.owner, 5),
    launches.finish_launch: lambda s, w: launches.finish_launch(s, w.owned(), w.owner),
    launches.release: lambda s, w: launches.release(s, w.owned(), w.owner),
    ledger_state.begin_turn: lambda s, w: ledger_state.begin_turn(s, lease=MINUTE, tick=SECOND),
    ledger_state.increase_counters: lambda s, w: ledger_state.increase_counters(s, missed=1),
    minute_counts.are_uncounted: lambda s, w: minute_counts.are_uncounted(s),
    minute_counts.count_minutes: lambda s, w: minute_counts.count_minutes(s),
    minute_counts.finished_runs: lambda s, w: minute_counts.finished_runs(
        s,
        moment=clock.now(s),
        span=60 * MINUTE,
        bucket=MINUTE,
        recent=minute_counts.RecentCounts(),
    ),
    missed.record_missed_slots: _miss_slots,
    sending.waiting_channels: lambda s, w: sending.waiting_channels(s),
    sending.channels_of_silence: lambda s, w: sending.channels_of_silence(s, watched=MINUTE),
    sending.notify: _notify,
    sending.prune_notices: lambda s, w: sending.prune_notices(s, batch=5),
    open_runs.read_open: lambda s, w: [
        open_runs.read_open(s, [w.run() for _ in range(number)], uuid4()) for number in (1, 2)
    ],
    overdue.oldest_ages: lambda s, w: overdue.oldest_ages(s, slots_before=DAY),
    overlap.lock_schedules: _in_transaction(
        lambda s, w: overlap.lock_schedules(s, [w.scheduled_task])
    ),
    overlap.occupancies: _in_transaction(
        lambda s, w: overlap.occupancies(s, overlap.lock_schedules(s, [w.scheduled_task]).values())
    ),
    overlap.newest_open_run: lambda s, w: overlap.newest_open_run(s, w.site.task),
    overlap.release_waiting: lambda s, w: overlap.release_waiting(s),
    pauses.pause_tasks: lambda s, w: pauses.pause_tasks(
        s, [w.site.task], actor=TASKADMIN, resume_at=clock.now(s)
    ),
    pauses.resume_tasks: lambda s, w: pauses.resume_tasks(s, [w.site.task], actor=TASKADMIN),
    pauses.resume_due: lambda s, w: pauses.resume_due(s),
    pauses.pause_after_failures: lambda s, w: pauses.pause_after_failures(s, w.scheduled_task),
    pauses.pauses_of: lambda s, w: pauses.pauses_of(s, [w.site.task]),
    durations.note_durations: lambda s, w: durations.note_durations(
        s, {"steady": Durations().with_run(0.5)}
    ),
    durations.usual_durations: lambda s, w: durations.usual_durations(s),
    processes.processes_of_queues: lambda s, w: processes.processes_of_queues(s),
    processes.register_process: lambda s, w: processes.register_process(s, ME),
    processes.record_heartbeat: lambda s, w: processes.record_heartbeat(s, w.process),
    processes.mark_gone: lambda s, w: processes.mark_gone(
        s, processes.register_process(s, ME), ProcessEnd.LOST, "gone"
    ),
    processes.mark_ended: lambda s, w: processes.mark_ended(
        s, processes.register_process(s, ME), "ended"
    ),
    processes.mark_gone_by_pid: lambda s, w: processes.mark_gone_by_pid(
        s, uuid4(), [1, 2], ProcessEnd.LOST, "gone"
    ),
    processes.mark_stopped: lambda s, w: processes.mark_stopped(
        s, ME._replace(pid=1, boot=uuid4()), "stopped"
    ),
    processes.expire: lambda s, w: processes.expire(s, DAY),
    processes.delete_gone: lambda s, w: processes.delete_gone(s),
    processes.finished_among: lambda s, w: processes.finished_among(s, [w.site.run], before=MINUTE),
    processes.live_processes: lambda s, w: processes.live_processes(s),
    progress.earlier_progress: lambda s, w: progress.earlier_progress(s, w.site.run),
    progress.save_progress: lambda s, w: progress.save_progress(s, *w.claimed_id(), Progress(0.5)),
    progress.find_progress: lambda s, w: progress.find_progress(s, [w.site.run]),
    pruning.prune_old: lambda s, w: pruning.prune_old(s, older_than=timedelta(minutes=45)),
    pruning.prune_missed: lambda s, w: pruning.prune_missed(s, older_than=DAY),
    pruning.is_under_way: lambda s, w: pruning.is_under_way(s),
    pruning.prune_per_task: lambda s, w: pruning.prune_per_task(s, keep=2),
    pruning.surplus_per_task: lambda s, w: pruning.surplus_per_task(s, keep=2, overdue=MINUTE),
    pruning.prune_deleted: lambda s, w: pruning.prune_deleted(s),
    recovery.take_back: lambda s, w: recovery.take_back(s, lost_attempts=3),
    recovery.waiting_runs: lambda s, w: recovery.waiting_runs(s),
    recovery.postpone: lambda s, w: recovery.postpone(s, [w.run()[0]]),
    recovery.note_sent: lambda s, w: recovery.note_sent(s, [w.run()[0]]),
    recovery.runs_to_republish: lambda s, w: recovery.runs_to_republish(
        s, "taskadmin.runs", clock.now(s), after=SECOND, unclaimed={"other": MINUTE}
    ),
    recovery.oldest_publish: lambda s, w: recovery.oldest_publish(s, "taskadmin.runs"),
    recovery.give_up: lambda s, w: recovery.give_up(s, [w.run()[0]]),
    results.copy_runs: _in_transaction(
        lambda s, w: results.copy_runs(
            s,
            [w.plain_task.id],
            launch_id=w.site.launch,
            due_at=clock.now(s),
            job=all_jobs()["generate_random_number"],
        )
    ),
    results.insert_runs: _in_transaction(
        lambda s, w: results.insert_runs(
            s, [w.plain_task], launch_id=1, due_at=clock.now(s), jobs=all_jobs()
        )
    ),
    results.write_runs: lambda s, w: w.run(),
    results.runs_of_launch: lambda s, w: results.runs_of_launch(s, w.site.launch),
    results.sent_but_open: lambda s, w: results.sent_but_open(s, after_id=0, limit=5),
    results.page_of_runs: lambda s, w: results.page_of_runs(s, state=RunState.FAILED, limit=5),
    results.find_run: lambda s, w: results.find_run(s, w.site.run),
    results.latest_runs: lambda s, w: results.latest_runs(s, [w.site.task]),
    run_actions.retry_runs: lambda s, w: run_actions.retry_runs(
        s,
        [w.site.failed_run],
        actor=TASKADMIN,
        request_key=uuid4(),
        owner=w.owner,
        jobs=all_jobs(),
    ),
    run_actions.cancel_runs: lambda s, w: run_actions.cancel_runs(
        s, [w.claimed_id()[0]], actor=TASKADMIN, running=True
    ),
    run_actions.delete_runs: lambda s, w: run_actions.delete_runs(s, [w.run()[0]], actor=TASKADMIN),
    run_details.retries_of: lambda s, w: run_details.retries_of(s, w.site.run),
    run_details.count_retried: lambda s, w: run_details.count_retried(s, [w.site.run]),
    run_details.newest_finished: lambda s, w: run_details.newest_finished(s, [w.site.run], limit=9),
    run_details.count_runs_by_state: lambda s, w: run_details.count_runs_by_state(s, [w.site.run]),
    run_details.run_of_launch: lambda s, w: run_details.run_of_launch(s, w.site.launch),
    run_details.reasons_of_skips: lambda s, w: run_details.reasons_of_skips(s, [w.site.launch]),
    run_totals.count_finished: lambda s, w: run_totals.count_finished(
        s, clock.now(s) - DAY, clock.now(s)
    ),
    run_totals.read_totals: lambda s, w: run_totals.read_totals(s),
    run_totals.store_totals: _in_transaction(
        lambda s, w: run_totals.store_totals(
            s,
            run_totals.count_finished(s, clock.now(s) - DAY, clock.now(s)),
            final_before=clock.now(s),
        )
    ),
    schedules.save_due_times: lambda s, w: schedules.save_due_times(
        s, s.scalars(select(TaskSchedule).limit(3)).all()
    ),
    schedules.find_schedule: lambda s, w: schedules.find_schedule(s, w.scheduled_task),
    schedules.put_schedule: _in_transaction(
        lambda s, w: schedules.put_schedule(
            s, w.plain_task.id, None, moment=clock.now(s), slot_interval_seconds=300
        )
    ),
    tasks.delete_tasks: lambda s, w: tasks.delete_tasks(
        s,
        [
            tasks.create_task(
                s, author_id=w.site.user, arguments={"lower_limit": 0.0, "upper_limit": 1.0}
            ).id
        ],
    ),
    transitions.claim: lambda s, w: (w.claimed(), w.claimed(2)),
    transitions.finish: _finish,
    transitions.give_back: _give_back,
    transitions.fail_worker: lambda s, w: transitions.fail_worker(
        s, *w.claimed_id(), problem="It broke.", lost_attempts=3
    ),
}
#: Functions that the others call, inside their transactions.
PARTS = {
    sending.delivery_task,
    manual.launch_once,
    manual.open_manual_launch,
    manual.queue_manual_runs,
    pauses.put_pause,
    pauses.end_pause,
    results.can_copy,
    tasks.add_task,
    tasks.change_task,
    tasks.mark_tasks_deleted,
    transitions.take_back,
    transitions.give_up,
    transitions.cancel,
    transitions.lock_free,
}
#: Functions that users call, one at a time.
BY_PEOPLE = {
    tasks.create_task,
    tasks.update_task,
    tasks.clone_task,
    tasks.find_task,
    tasks.tasks_named,
    tasks.count_tasks,
}
