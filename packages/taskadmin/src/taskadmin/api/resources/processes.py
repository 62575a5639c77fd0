"""Workers and queues."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

from ...errors import BrokerUnavailable
from ...jobs import all_jobs
from ...jobs.declaration.decorator import RUN_QUEUE
from ...state import QueueState, get_state
from ...store.reports.process_pages import list_processes, open_runs
from ...values.showable import showable
from ..models.reports import ProcessList, ProcessOut, QueueOut, Queues
from ..operations import operation


@operation("GET", "/workers", tag="workers and queues", returns=ProcessList)
def list_workers() -> ProcessList:
    """List beat, launchers and workers."""
    state = get_state()
    found, runs = list_processes(state.session), open_runs(state.session)
    lease = timedelta(seconds=state.settings.lease_seconds)
    return ProcessList(
        items=[
            ProcessOut(
                id=one.process.id,
                kind=one.process.kind,
                name=showable(one.process.name),
                host=showable(one.process.host),
                pid=one.process.pid,
                queues=[name for name in showable(one.process.queues).split(",") if name],
                concurrency=one.process.processes,
                started_at=one.process.started_at,
                seen_at=one.process.seen_at,
                is_alive=one.silent <= lease,
                runs=runs.by_process.get(one.process.id, 0),
                trouble=showable(one.process.trouble),
            )
            for one in found.living
        ],
        more=found.more,
    )


@operation("GET", "/queues", tag="workers and queues", returns=Queues)
def list_queues() -> Queues:
    """List queues, as the broker and the database know them."""
    answer, states = _ask_broker()
    told = {state.name: state for state in states}
    runs = open_runs(get_state().session).by_queue
    names = {*told, *runs, RUN_QUEUE, *(job.queue for job in all_jobs().values())} - {""}
    return Queues(
        items=[
            QueueOut(
                name=showable(name),
                messages=told[name].ready if name in told else None,
                consumers=told[name].consumers if name in told else None,
                ready=runs[name].ready if name in runs else 0,
                later=runs[name].later if name in runs else 0,
                running=runs[name].running if name in runs else 0,
                oldest_ready_seconds=_seconds(runs[name].oldest if name in runs else None),
            )
            for name in sorted(names)
        ],
        broker=answer,
    )


def _ask_broker() -> tuple[
    Literal["answers", "can't tell", "away", "no queue"], Sequence[QueueState]
]:
    inspect = get_state().inspect
    if inspect is None:
        return "no queue", ()
    try:
        states = inspect()
    except BrokerUnavailable:
        return "away", ()
    return ("can't tell", ()) if states is None else ("answers", states)


def _seconds(time: timedelta | None) -> float | None:
    return None if time is None else time.total_seconds()
