"""Processes and queues put together for the page of workers: who does what, what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from ..i18n import duration
from ..jobs import all_jobs
from ..jobs.decorator import RUN_QUEUE
from ..models import Process, ProcessKind
from ..settings import Settings
from ..state import QueueState
from ..store.health import BeatLag
from ..store.process_pages import OpenRuns, Processes, Seen, Underway, Waiting
from ..texts import gettext, ngettext

#: Runs of a process that are named; of more only the number is said.
_NAMED = 5
_LAUNCH, _DEAD = "taskadmin.launch", "taskadmin.dead"
_NOTHING = Waiting(0, 0, 0, None)


class Trouble(NamedTuple):
    """What is missing, and the command that helps."""

    text: str
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRow:
    """A living process with its pool's children."""

    process: Process
    silent: timedelta
    #: "good"; "late" after half a lease without a heartbeat; "stopped" after a whole one.
    state: str
    #: Runs that it and its children have claimed, and some of them.
    number: int
    underway: Sequence[Underway]
    children: tuple[ProcessRow, ...] = ()

    @property
    def queues(self) -> list[str]:
        """Names of the queues it reads."""
        return [name for name in self.process.queues.split(",") if name]

    @property
    def executes(self) -> bool:
        """Whether it is there to execute runs."""
        return self.process.kind in (ProcessKind.WORKER, ProcessKind.CHILD)


def process_rows(found: Processes, runs: OpenRuns, lease: timedelta) -> list[ProcessRow]:
    """Beat, launchers and workers, in this order, with the children of each."""
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
            underway=[*own, *(run for child in below for run in child.underway)][:_NAMED],
            children=below,
        )

    rows = [
        row(
            one,
            ()
            if one.process.kind == ProcessKind.BEAT  # within a worker it has the worker's pid
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
    """A queue, as the broker and the ledger know it."""

    name: str
    #: None: the broker didn't say.
    broker: QueueState | None
    ledger: Waiting

    @property
    def holds_runs(self) -> bool:
        """Whether its messages mean runs, so that the ledger knows what waits."""
        return self.name not in (_LAUNCH, _DEAD)

    @property
    def is_for_the_dead(self) -> bool:
        """Whether nobody has to read it."""
        return self.name == _DEAD

    @property
    def is_unread(self) -> bool:
        """Whether somebody should read it and nobody does."""
        return self.broker is not None and not self.broker.consumers and not self.is_for_the_dead

    @property
    def command(self) -> str:
        """What starts a process that reads it."""
        return _worker_command(self.name)


def queue_rows(runs: OpenRuns, states: Sequence[QueueState] | None) -> list[QueueRow]:
    """Every queue that is known of: the launcher's, that of runs, the jobs' own, the dead."""
    told = {state.name: state for state in states or ()}
    names = {*told, *runs.by_queue, RUN_QUEUE, *(job.queue for job in all_jobs().values())}
    first = {_LAUNCH: 0, RUN_QUEUE: 1, _DEAD: 3}
    return [
        QueueRow(name=name, broker=told.get(name), ledger=runs.by_queue.get(name, _NOTHING))
        for name in sorted(names - {""}, key=lambda name: (first.get(name, 2), name))
    ]


def troubles(lag: BeatLag, rows: Sequence[ProcessRow], settings: Settings) -> list[Trouble]:
    """Who is missing among beat, launcher and workers, as ``flask taskadmin doctor`` says it."""
    patience = timedelta(seconds=max(3 * settings.tick_seconds, 15.0))
    found = [*_of_beat(rows, patience)]
    if lag.ticked is None or lag.ticked > patience:
        found.append(
            Trouble(
                gettext("No launcher has ever looked for due slots.")
                if lag.ticked is None
                else gettext(
                    "No launcher looks for due slots: the last one did so %(time)s ago.",
                    time=duration(lag.ticked),
                ),
                _worker_command(_LAUNCH),
            )
        )
    workers = [one for one in rows if one.process.kind == ProcessKind.WORKER]
    if all(one.state == "stopped" for one in workers):
        found.append(
            Trouble(
                gettext(
                    "No worker executes runs: %(name)s was last seen %(time)s ago.",
                    name=workers[0].process.name,
                    time=duration(workers[0].silent),
                )
                if workers
                else gettext("No worker executes runs."),
                _worker_command(RUN_QUEUE),
            )
        )
    return found


def _of_beat(rows: Sequence[ProcessRow], patience: timedelta) -> list[Trouble]:
    beats = [one for one in rows if one.process.kind == ProcessKind.BEAT]
    recent = [one for one in beats if one.silent <= patience]
    command = "celery -A <your module> beat"
    if not beats:
        return [Trouble(gettext("No beat runs, so nothing is launched."), command)]
    if not recent:
        last = min(beats, key=lambda one: one.silent)
        text = gettext(
            "%(name)s (pid %(pid)s) sends no ticks: last seen %(time)s ago. See its log, and start"
            " it again.",
            name=last.process.name,
            pid=last.process.pid,
            time=duration(last.silent),
        )
        return [Trouble(text, command)]
    if len(recent) > 1:
        text = ngettext(
            "%(num)s beat runs. Nothing is launched twice, but one is enough.",
            "%(num)s beats run. Nothing is launched twice, but one is enough.",
            len(recent),
        )
        return [Trouble(text)]
    return []


def _worker_command(queue: str) -> str:
    pool = " -P solo" if queue == _LAUNCH else ""
    return f"celery -A <your module> worker -Q {queue}{pool}"
