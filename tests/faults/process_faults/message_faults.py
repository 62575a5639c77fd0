"""Messages that are duplicated, invalid or outdated."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from typing import Any

from ..catalogue import fault
from ..stages.messages import celery_headers
from ..stages.processes import RUNS_QUEUE
from ..stages.roles import Role
from ..stages.stage import Stage

AREA = "message"


def _launched(stage: Stage) -> Role:
    """Launch without a worker, so that all messages wait."""
    stage.beat()
    launcher = stage.launcher()
    stage.wait_runs(45)
    return launcher


@fault("every run message twice", area=AREA)
def twice(stage: Stage) -> Iterator[None]:
    """A second message for each run, after the first ones."""
    stage.load(16, seconds=0.1)
    _launched(stage)
    task = stage.run_task_name()
    for run in stage.open_runs():
        stage.send(task, run, RUNS_QUEUE)
    stage.worker()
    yield


@fault("run message twice, concurrently", area=AREA)
def concurrently(stage: Stage) -> Iterator[None]:
    """Two processes receive both messages of a run at the same moment."""
    stage.add_tasks(6, "steady", seconds=0.5)
    stage.add_tasks(6, "quick", seconds=0.5)
    # Both may execute a run whose start isn't recorded; one outcome is recorded.
    stage.extra = 6
    _launched(stage)
    task = stage.run_task_name()
    with stage.channel() as channel:
        channel.queue_purge(RUNS_QUEUE)
    for run in stage.open_runs():
        stage.send(task, run, RUNS_QUEUE, times=2)
    stage.worker()
    yield


@fault("run messages of finished runs", area=AREA)
def finished(stage: Stage) -> Iterator[None]:
    """Messages of runs that have finished change nothing."""
    stage.load(8, seconds=0.05)
    _launched(stage)
    task, runs = stage.run_task_name(), stage.open_runs()
    worker = stage.worker()
    stage.wait(lambda: stage.finished() == len(runs), "the end of every run", seconds=45)
    for run in runs:
        stage.send(task, run, RUNS_QUEUE, times=3)
    yield
    stage.wait(lambda: not stage.all_messages(RUNS_QUEUE), "an empty queue")
    stage.expect(worker.alive(), "the worker ended")


def _between_good_ones(stage: Stage) -> Role:
    """Start a worker, with valid messages behind the invalid ones."""
    stage.load(8, seconds=0.05)
    worker, launcher = stage.worker(), stage.launcher()
    stage.wait_ready(worker, launcher)
    return worker


def _still_alive(stage: Stage, worker: Role) -> None:
    stage.expect(worker.alive(), f"the worker ended with {worker.process.poll()}")
    stage.wait(lambda: not stage.ready_messages(RUNS_QUEUE), "an empty queue", seconds=15)
    stage.expect("Traceback" not in worker.text() or worker.alive(), "the worker died of a message")


def _bodies(stage: Stage, *bodies: bytes) -> Iterator[None]:
    """Send each body as a run's message, with and without Celery's headers."""
    worker = _between_good_ones(stage)
    task = stage.run_task_name()
    for body in bodies:
        stage.send_raw(body, RUNS_QUEUE, headers=lambda: celery_headers(task))
        stage.send_raw(body, RUNS_QUEUE)
    stage.beat()
    yield
    _still_alive(stage, worker)


@fault("messages that aren't JSON", area=AREA)
def undecodable(stage: Stage) -> Iterator[None]:
    """Empty, truncated, not UTF-8, with a NUL."""
    yield from _bodies(stage, b"", b"{", b"\xff\xfe", b"[[1, 2], {}, {}]\0")


@fault("messages with another structure", area=AREA)
def other_shape(stage: Stage) -> Iterator[None]:
    """JSON that isn't [args, kwargs, embed]: Celery 5.7 itself exits with an error."""
    yield from _bodies(stage, b"[]", b"{}", b'{"id": 1}', b"1", b'"text"', b"[1, 2, 3, 4]")


@fault("message whose body is null", area=AREA)
def null(stage: Stage) -> Iterator[None]:
    """Celery 5.7 itself exits with an error."""
    yield from _bodies(stage, b"null")


@fault("malformed messages", area=AREA)
def malformed(stage: Stage) -> Iterator[None]:
    """Too few and too many arguments, invalid ids and times."""
    yield from _bodies(
        stage,
        b"[[], {}, {}]",
        b"[[1], {}, {}]",
        b"[[1, 2, 3, 4], {}, {}]",
        b"[[1, 2], {}, null]",
        b'[["1; DROP TABLE taskadmin_task", "now"], {}, {}]',
        b'[[9223372036854775808, "2026-01-01T00:00:00+00:00"], {}, {}]',
        b'[[-1, "2026-01-01T00:00:00"], {}, {}]',
        b'[[1, "\\u0000"], {}, {}]',
        b'[[null, null], {"a": 1}, {}]',
        b'[[1e400, "0001-01-01T00:00:00+23:59"], {}, {}]',
        b'[[[[[]]], {"a": {}}], {}, {}]',
    )


def _headers(stage: Stage, name: str, *values: Any) -> Iterator[None]:
    """Send messages of a run, one with each of these values of a header."""
    worker = _between_good_ones(stage)
    task = stage.run_task_name()
    for value in values:
        headers = {**celery_headers(task), name: value}
        body = b'[[1, "2001-01-01T00:00:00+00:00"], {}, {}]'
        stage.send_raw(body, RUNS_QUEUE, headers=headers.copy)
    stage.beat()
    yield
    _still_alive(stage, worker)


@fault("messages whose header task is a list", area=AREA)
def task_list(stage: Stage) -> Iterator[None]:
    """Handmade: Celery 5.7 itself exits, because a list can't be looked up."""
    yield from _headers(stage, "task", ["taskadmin.run"], [], [[]])


@fault("messages whose time limit isn't a number", area=AREA)
def limit_of_letters(stage: Stage) -> Iterator[None]:
    """Handmade: a header timelimit that isn't a pair of numbers."""
    yield from _headers(stage, "timelimit", ["soon", "later"], "never", ["1"])


@fault("messages due in the year 9999", area=AREA)
def due_in_9999(stage: Stage) -> Iterator[None]:
    """Handmade: a header eta beyond what Python's dates can compute."""
    last = "9999-12-31T23:59:59"
    yield from _headers(stage, "eta", last, f"{last}+00:00", f"{last}.999999-23:59")


@fault("celery.map with a bad body", area=AREA)
def bad_map(stage: Stage) -> Iterator[None]:
    """A Celery task that every worker knows, with invalid bodies."""
    worker = _between_good_ones(stage)
    for body in (b"null", b"[]", b"1", b"[[], {}, {}]", b"[[1, 2], {}, {}]", b"[[null, null], {}]"):
        stage.send_raw(body, RUNS_QUEUE, headers=lambda: celery_headers("celery.map"))
    stage.beat()
    yield
    _still_alive(stage, worker)


@fault("messages of unknown Celery tasks", area=AREA)
def unknown(stage: Stage) -> Iterator[None]:
    """Names that workers don't know."""
    worker = _between_good_ones(stage)
    for name in ("taskadmin.no_such_task", "os.system", "", "x" * 5000):
        stage.send(name, [1, "2026-01-01T00:00:00+00:00"], RUNS_QUEUE)
    stage.beat()
    yield
    _still_alive(stage, worker)


class _Exploit:
    """A pickled object that would write a file."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (self._path, "w")


@fault("pickled messages", area=AREA)
def pickled(stage: Stage) -> Iterator[None]:
    """Messages that would execute code are refused."""
    worker = _between_good_ones(stage)
    task = stage.run_task_name()
    proof = stage.folder / "proof"
    body = pickle.dumps(([_Exploit(str(proof))], {}, {}))
    for encoding in ("binary", "utf-8"):
        stage.send_raw(
            body,
            RUNS_QUEUE,
            headers=lambda: celery_headers(task),
            content_type="application/x-python-serialize",
            content_encoding=encoding,
        )
    stage.beat()
    yield
    _still_alive(stage, worker)
    stage.expect(not proof.exists(), "a pickled message was executed")


@fault("oversized messages", area=AREA)
def oversized(stage: Stage) -> Iterator[None]:
    """Three messages of 5 MB."""
    worker = _between_good_ones(stage)
    task = stage.run_task_name()
    body = json.dumps([["x" * 5_000_000, "y"], {}, {}]).encode()
    stage.send_raw(body, RUNS_QUEUE, times=3, headers=lambda: celery_headers(task))
    stage.beat()
    yield
    _still_alive(stage, worker)


@fault("messages of runs that don't exist", area=AREA)
def strangers(stage: Stage) -> Iterator[None]:
    """Ids of missing runs, and ids of runs with another due time."""
    stage.load(8, seconds=0.05)
    _launched(stage)
    task = stage.run_task_name()
    for run_id, _ in stage.open_runs():
        stage.send(task, [run_id, "2001-01-01T00:00:00+00:00"], RUNS_QUEUE)
    stage.send(task, [10**12, "2001-01-01T00:00:00+00:00"], RUNS_QUEUE)
    worker = stage.worker()
    yield
    _still_alive(stage, worker)


@fault("task deleted between launch and run", area=AREA)
def deleted(stage: Stage) -> Iterator[None]:
    """Its run isn't executed; others are."""
    kept = stage.add_tasks(6, "quick")
    gone = [*stage.add_tasks(3, "quick"), *stage.add_tasks(3, "steady")]
    kept += stage.add_tasks(6, "steady")
    _launched(stage)
    stage.sql("DELETE FROM taskadmin_task WHERE id = ANY(%s)", gone)
    stage.worker()
    yield
    stage.expect(
        not {f"m{7 + place:05}" for place in range(6)} & {m for m, _, _ in stage.executions()},
        "a run of a deleted task was executed",
    )


@fault("task deleted while its run is executed", area=AREA)
def deleted_while_running(stage: Stage) -> Iterator[None]:
    """The job's outcome can't be recorded; other runs continue."""
    gone = stage.add_tasks(1, "steady", seconds=2.0) + stage.add_tasks(1, "quick", seconds=2.0)
    stage.extra = 2  # their rows are deleted, their executions are counted
    stage.load(8, seconds=0.05)
    _launched(stage)
    worker = stage.worker()
    stage.wait(lambda: len(stage.executions()) >= 2, "both long jobs to run", seconds=45)
    stage.sql("DELETE FROM taskadmin_task WHERE id = ANY(%s)", gone)
    yield
    stage.expect(worker.alive(), "the worker ended")


@fault("task edited between launch and run", area=AREA)
def edited(stage: Stage) -> Iterator[None]:
    """Its run uses the arguments from the time of the launch."""
    stage.add_tasks(6, "quick")
    stage.add_tasks(6, "steady")
    _launched(stage)
    stage.sql('UPDATE taskadmin_task SET params = \'{"marker": "edited"}\', version = version + 1')
    stage.worker()
    yield
    stage.expect(
        "edited" not in {marker for marker, _, _ in stage.executions()},
        "a run used arguments set after its launch",
    )


@fault("task of an unknown job", area=AREA)
def unknown_job(stage: Stage) -> Iterator[None]:
    """Its run is recorded with the reason; others are executed."""
    stage.load(8, seconds=0.05)
    stage.add_tasks(2, "no_such_job")
    for number in (stage._made - 1, stage._made):
        stage.ends[f"m{number:05}"] = ("skipped", None)
    stage.start_all()
    stage.wait_runs()
    yield
    reasons = stage.sql(
        "SELECT DISTINCT coalesce(reason, error) FROM taskadmin_task_result"
        " WHERE job = 'no_such_job'"
    )
    stage.expect(
        len(reasons) == 1 and "no_such_job" in str(reasons[0][0]), f"the reason is {reasons}"
    )


@fault("job that the worker doesn't know", area=AREA)
def unknown_to_worker(stage: Stage) -> Iterator[None]:
    """A run of a job that was removed after the launch fails with the reason."""
    stage.load(8, seconds=0.05)
    _launched(stage)
    marker = stage.value(
        "UPDATE taskadmin_task_result SET job = 'renamed' WHERE id = ("
        "SELECT min(id) FROM taskadmin_task_result WHERE job = 'steady')"
        " RETURNING task_params ->> 'marker'"
    )
    stage.ends[marker] = ("failed", None)
    stage.worker()
    yield
    error = stage.value("SELECT error FROM taskadmin_task_result WHERE job = 'renamed'")
    stage.expect("renamed" in str(error), f"the error is {error}")


@fault("arguments that don't fit the job", area=AREA)
def bad_arguments(stage: Stage) -> Iterator[None]:
    """A run whose arguments the job rejects is skipped with the reason."""
    stage.load(8, seconds=0.05)
    stage.add_tasks(2, "steady", seconds="long")
    for number in (stage._made - 1, stage._made):
        stage.ends[f"m{number:05}"] = ("skipped", None)
    stage.start_all()
    stage.wait_runs()
    yield
