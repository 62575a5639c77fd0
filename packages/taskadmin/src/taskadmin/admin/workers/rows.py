"""Rows of the workers page: processes, queues, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import NamedTuple

from ...jobs import all_jobs
from ...jobs.declaration.decorator import RUN_QUEUE
from ...models import Process, ProcessKind
from ...settings import Settings
from ...state import QueueState
from ...store.database.rights import LACKS_A_RIGHT
from ...store.reports.health import BeatLag
from ...store.reports.process_pages import OpenRuns, Processes, Seen, Underway, Waiting
from ...translation.i18n import duration
from ...translation.texts import gettext, ngettext

#: Maximum runs that are listed per process; the others are counted.
_MAX_LISTED_RUNS = 5
_LAUNCH, _DEAD = "taskadmin.launch", "taskadmin.dead"
_NO_RUNS_WAITING = Waiting(0, 0, 0, None)


class WorkerWarning(NamedTuple):
    """A problem, and the command that helps."""

    text: str
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRow:
    """A live process with the children of its pool."""

    process: Process
    silent: timedelta
    #: "good", "late" after half a lease without a heartbeat, or "stopped" after a whole one.
    state: str
    #: Number of runs that it and its children have claimed, and the first of them.
    number: int
    underway: Sequence[Underway]
    children: tuple[ProcessRow, ...] = ()

    @property
    def queues(self) -> list[str]:
        """Names of the queues it consumes."""
        return [name for name in self.process.queues.split(",") if name]

    @property
    def lacks_right(self) -> bool:
        """Whether its database role lacks a privilege."""
        return (self.process.trouble or "").startswith(LACKS_A_RIGHT)

    @property
    def trouble(self) -> str:
        """The problem it reports, in English as stored."""
        return (self.process.trouble or "").removeprefix(f"{LACKS_A_RIGHT}: ")

    @property
    def executes(self) -> bool:
        """Whether it can execute runs."""
        return self.process.kind in (ProcessKind.WORKER, ProcessKind.CHILD)


def process_rows(found: Processes, runs: OpenRuns, lease: timedelta) -> list[ProcessRow]:
    """Return beat, launchers and workers, in this order, each with its children."""
    parents = [one for one in found.living if one.process.kind != ProcessKind.CHILD]
    of_parent: dict[tuple[object, int | None], list[Seen]] = {}
    for one in found.living:
        if one.process.kind == ProcessKind.CHILD:
            of_parent.setdefault((one.process.boot, one.process.parent_pid), []).append(one)

    def row(one: Seen, children: Iterable[Seen] = ()) -> ProcessRow:
        below = tuple(row(child) for child in children)
        own = runs.underway.get(one.process.id, [])
        number = runs.by_process.get(one.process.id, 0) + sum(child.number for child in below)
        return ProcessRow(
            process=one.process,
            silent=one.silent,
            state=_state(one.silent, lease),
            number=number,
            underway=[*own, *(run for child in below for run in child.underway)][:_MAX_LISTED_RUNS],
            children=below,
        )

    rows = [
        row(
            one,
            ()
            if one.process.kind == ProcessKind.BEAT  # an embedded beat has the worker's pid
            else of_parent.pop((one.process.boot, one.process.pid), ()),
        )
        for one in parents
    ]
    rows += [row(one) for alone in of_parent.values() for one in alone]
    order = list(ProcessKind)
    return sorted(rows, key=lambda one: (order.index(one.process.kind), one.process.name))


def _state(silent: timedelta, lease: timedelta) -> str:
    if silent > lease:
        return "stopped"
    return "late" if silent > lease / 2 else "good"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """A queue as the broker and the ledger know it."""

    name: str
    #: None if the broker didn't answer.
    broker: QueueState | None
    ledger: Waiting

    @property
    def holds_runs(self) -> bool:
        """Whether its messages are runs, so that the ledger knows what is waiting."""
        return self.name not in (_LAUNCH, _DEAD)

    @property
    def is_for_the_dead(self) -> bool:
        """Whether it is the dead-letter queue, which needs no consumer."""
        return self.name == _DEAD

    @property
    def is_unread(self) -> bool:
        """Whether it needs a consumer and has none."""
        return self.broker is not None and not self.broker.consumers and not self.is_for_the_dead

    @property
    def has_copies(self) -> bool:
        """Whether there are more messages than unfinished runs: some runs were sent again."""
        if not self.holds_runs or self.broker is None:
            return False
        return (self.broker.ready or 0) > self.ledger.ready + self.ledger.running

    @property
    def command(self) -> str:
        """The command that starts a consumer."""
        return _worker_command(self.name)


def queue_rows(runs: OpenRuns, states: Sequence[QueueState] | None) -> list[QueueRow]:
    """Return all known queues: the launcher's, that of runs, the jobs', the dead letters'."""
    told = {state.name: state for state in states or ()}
    names = {*told, *runs.by_queue, RUN_QUEUE, *(job.queue for job in all_jobs().values())}
    first = {_LAUNCH: 0, RUN_QUEUE: 1, _DEAD: 3}
    return [
        QueueRow(name=name, broker=told.get(name), ledger=runs.by_queue.get(name, _NO_RUNS_WAITING))
        for name in sorted(names - {""}, key=lambda name: (first.get(name, 2), name))
    ]


def worker_warnings(
    lag: BeatLag, rows: Sequence[ProcessRow], settings: Settings
) -> list[WorkerWarning]:
    """Return what is missing among beat, launcher and workers, like ``doctor`` does."""
    patience = timedelta(seconds=max(3 * settings.tick_seconds, 15.0))
    found = [*_of_beat(rows, patience)]
    if lag.ticked is None or lag.ticked > patience:
        found.append(
            WorkerWarning(
                gettext("No launcher has run yet.")
                if lag.ticked is None
                else gettext(
                    "No launcher is running: the last one was active %(time)s ago.",
                    time=duration(lag.ticked),
                ),
                _worker_command(_LAUNCH),
            )
        )
    workers = [one for one in rows if one.process.kind == ProcessKind.WORKER]
    if all(one.state == "stopped" for one in workers):
        found.append(
            WorkerWarning(
                gettext(
                    "No worker is running: %(name)s was last seen %(time)s ago.",
                    name=workers[0].process.name,
                    time=duration(workers[0].silent),
                )
                if workers
                else gettext("No worker is running."),
                _worker_command(RUN_QUEUE),
            )
        )
    return [*found, *_said_by(rows)]


def _said_by(rows: Sequence[ProcessRow]) -> list[WorkerWarning]:
    """Return problems that processes report of themselves, at most ``_MAX_LISTED_RUNS``."""
    all_of_them = (one for row in rows for one in (row, *row.children))
    return [
        WorkerWarning(
            (
                gettext("%(name)s (pid %(pid)s) lacks a database privilege.", **_named(one))
                if one.lacks_right
                else gettext(
                    "%(name)s (pid %(pid)s) is stuck. Check its log and restart it; other"
                    " processes take over its runs.",
                    **_named(one),
                )
            ),
            "flask taskadmin doctor" if one.lacks_right else "",
        )
        for one in islice((one for one in all_of_them if one.trouble), _MAX_LISTED_RUNS)
    ]


def _named(row: ProcessRow) -> dict[str, object]:
    return {"name": row.process.name, "pid": row.process.pid}


def _of_beat(rows: Sequence[ProcessRow], patience: timedelta) -> list[WorkerWarning]:
    beats = [one for one in rows if one.process.kind == ProcessKind.BEAT]
    recent = [one for one in beats if one.silent <= patience]
    command = "celery -A <your module> beat"
    if not beats:
        return [WorkerWarning(gettext("No beat is running, so nothing is launched."), command)]
    if not recent:
        last = min(beats, key=lambda one: one.silent)
        text = gettext(
            "%(name)s (pid %(pid)s) sends no ticks: last seen %(time)s ago. Check its log and"
            " restart it.",
            name=last.process.name,
            pid=last.process.pid,
            time=duration(last.silent),
        )
        return [WorkerWarning(text, command)]
    if len(recent) > 1:
        text = ngettext(
            "%(num)s beat is running. Nothing is launched twice, but one is enough.",
            "%(num)s beats are running. Nothing is launched twice, but one is enough.",
            len(recent),
        )
        return [WorkerWarning(text)]
    return []


def _worker_command(queue: str) -> str:
    pool = " -P solo" if queue == _LAUNCH else ""
    return f"celery -A <your module> worker -Q {queue}{pool}"
