"""Actions on runs: retry, cancel, terminate, delete; on one, or on all that match."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ... import service
from ...models import RunState
from ...service import Cancellation, Scope
from ...state import get_state
from ...store.reports.matching_runs import matching_runs
from ..access import actor
from ..errors import Refused
from ..models.runs import CancelledOut, RunsBody, StartedOut
from ..models.tasks import BulkOut, Deleted
from ..operations import operation
from ..replays import request_key
from .runs import existing, filter_of
from .task_actions import bulk_out, started_out


@operation(
    "POST",
    "/runs/<int:run_id>/retry",
    tag="runs",
    returns=StartedOut,
    scope=Scope.RUN,
    status=202,
)
def retry_run(run_id: int) -> StartedOut:
    """Start a finished run again, with its job and arguments."""
    run = existing(run_id)
    if run.finished_at is None:
        raise Refused(409, "not-finished", detail=f"Run {run_id} hasn't finished.")
    return started_out(service.retry_runs([run_id], actor=actor(), request_key=request_key()))


@operation("POST", "/runs/<int:run_id>/cancel", tag="runs", returns=CancelledOut, scope=Scope.RUN)
def cancel_run(run_id: int) -> CancelledOut:
    """Cancel a queued run."""
    return _cancelled(run_id, service.cancel_runs)


@operation(
    "POST", "/runs/<int:run_id>/terminate", tag="runs", returns=CancelledOut, scope=Scope.RUN
)
def terminate_run(run_id: int) -> CancelledOut:
    """Cancel a queued or running run, and terminate its job."""
    return _cancelled(run_id, service.terminate_runs)


@operation("DELETE", "/runs/<int:run_id>", tag="runs", returns=Deleted, scope=Scope.MANAGE)
def delete_run(run_id: int) -> Deleted:
    """Delete a failed run, once its launch is closed."""
    run = existing(run_id)
    if run.state != RunState.FAILED:
        raise Refused(409, "not-failed", detail=f"Run {run_id} hasn't failed.")
    if not service.delete_runs([run_id], actor=actor()).run_ids:
        raise Refused(409, "launch-open", detail="Its launch isn't closed yet: try again later.")
    return Deleted(tasks=0, results=1)


@operation("POST", "/runs/retry", tag="bulk", returns=BulkOut, scope=Scope.RUN)
def retry_matching_runs(body: RunsBody) -> BulkOut:
    """Start all finished runs that match again."""
    return _of_all(
        body, lambda ids: service.retry_runs(ids, actor=actor(), request_key=request_key()).queued
    )


@operation("POST", "/runs/cancel", tag="bulk", returns=BulkOut, scope=Scope.RUN)
def cancel_matching_runs(body: RunsBody) -> BulkOut:
    """Cancel all queued runs that match."""
    return _of_all(body, lambda ids: service.cancel_runs(ids, actor=actor()).number)


@operation("POST", "/runs/terminate", tag="bulk", returns=BulkOut, scope=Scope.RUN)
def terminate_matching_runs(body: RunsBody) -> BulkOut:
    """Cancel all queued and running runs that match, and terminate their jobs."""
    return _of_all(body, lambda ids: service.terminate_runs(ids, actor=actor()).number)


@operation("POST", "/runs/delete", tag="bulk", returns=BulkOut, scope=Scope.MANAGE)
def delete_matching_runs(body: RunsBody) -> BulkOut:
    """Delete all failed runs that match and whose launches are closed."""
    return _of_all(body, lambda ids: len(service.delete_runs(ids, actor=actor()).run_ids))


def _cancelled(run_id: int, cancel: Callable[..., Cancellation]) -> CancelledOut:
    existing(run_id)
    done = cancel([run_id], actor=actor())
    if not done.number:
        raise Refused(409, "not-open", detail=f"Run {run_id} can't be cancelled any more.")
    return CancelledOut(cancelled=done.number, answers=dict(done.answers))


def _of_all(body: RunsBody, act: Callable[[Sequence[int]], int]) -> BulkOut:
    found = matching_runs(get_state().session, filter_of(body.filter).which)
    ids = [run_id for batch in found for run_id in batch]
    return bulk_out(ids, act, is_dry_run=body.dry_run)
