"""Run several faults at once, each in a lane with its own servers."""

from __future__ import annotations

import os
import queue
import signal
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from taskadmin import migrations
from taskadmin.migrations import Migrations
from taskadmin.models import Models

from .catalogue import FAULTS, Fault, NotHere, TooLate, Unexpected
from .judge import Judge, Verdict
from .mode import current_mode
from .stages.brokers import start_broker
from .stages.servers import PostgresqlOfOurOwn
from .stages.stage import Stage
from .stages.waiting import STOPPING
from .stages.watch import WATCH


@dataclass(frozen=True, slots=True)
class Turn:
    """One repetition to run."""

    fault: Fault
    repetition: int


#: Alembic uses global variables, so a process can run only one upgrade at a time.
_MIGRATING = threading.Lock()


class Lane:
    """A pair of servers that runs one repetition at a time."""

    def __init__(self, *, short: bool, seed: int) -> None:
        self._short = short
        self._seed = seed
        self.postgresql = PostgresqlOfOurOwn()
        try:
            self.broker = start_broker(current_mode().broker)
        except BaseException:
            self.postgresql.close()
            raise
        try:
            self.template = self._migrated()
        except BaseException:
            self.close()
            raise

    def _migrated(self) -> str:
        """Create a database with taskadmin's tables, a user and the log of changes to runs."""
        name = self.postgresql.create()
        app = Flask("faults_template")
        app.config["SQLALCHEMY_DATABASE_URI"] = self.postgresql.url.set(database=name)
        db = SQLAlchemy(app)
        Models().init_app(app, db=db)
        Migrations().init_app(app)
        with _MIGRATING:
            migrations.upgrade(app)
        with app.app_context():
            db.engine.dispose()
        with self.postgresql.connect(name) as connection:
            connection.execute(
                "INSERT INTO taskadmin_user (username, username_key, session_nonce, created_at)"
                " VALUES ('author', 'author', 'nonce', now())"
            )
            connection.execute(WATCH)
        return name

    def heal(self) -> None:
        """Start servers that a failed scenario left stopped."""
        if not self.broker.answers():
            self.broker.kill()
            self.broker.start()
        try:
            self.postgresql.connect("postgres").close()
        except Exception:  # noqa: BLE001 - any error means that it isn't up
            self.postgresql.start()

    def play(self, turn: Turn) -> Verdict:
        """Run one repetition and judge it; up to three times if the fault came too late."""
        begun = time.monotonic()
        for last in (False, False, True):
            try:
                verdict = self._play_once(turn)
            except TooLate as late:
                if last:
                    verdict = Verdict(turn.fault.name, turn.repetition, problems=[str(late)])
            else:
                break
        verdict.seconds = time.monotonic() - begun
        return verdict

    def _play_once(self, turn: Turn) -> Verdict:
        verdict = Verdict(turn.fault.name, turn.repetition)
        stage: Stage | None = None
        try:
            self.heal()
            stage = Stage(
                turn.fault,
                self.postgresql,
                self.broker,
                self.template,
                short=self._short,
                seed=f"{self._seed} {turn.fault.name} {turn.repetition}",
            )
            _play(stage, verdict)
        except NotHere as missing:
            if os.environ.get("CI") == "true":
                verdict.problems.append(str(missing))
            else:
                verdict.skipped = str(missing)
        except TooLate:
            raise
        except Exception:  # noqa: BLE001 - a broken scenario must not end the others
            verdict.problems.append(traceback.format_exc())
        finally:
            if stage is not None:
                if not verdict.good:
                    verdict.logs = stage.tail()
                    stage.keep(f"{verdict.fault} {verdict.repetition}")
                stage.close()
        return verdict

    def close(self) -> None:
        """Stop both servers."""
        self.broker.close()
        self.postgresql.close()


def _play(stage: Stage, verdict: Verdict) -> None:
    scenario = stage.fault.scenario(stage)
    judge = Judge(stage)
    over = finished = False
    late: TooLate | None = None
    try:
        next(scenario)
        stage.fault_ended = stage.fault_ended or time.time()
        judge.wait_for_the_end()
        over = True
        # A second record or execution would happen now.
        time.sleep(0.5)
        next(scenario, None)
        finished = True
    except TooLate as problem:
        late = problem
    except Unexpected as problem:
        verdict.problems.append(str(problem))
    finally:
        stage.end_processes()
    try:
        judge.judge(verdict)
    except Exception:
        if finished:
            raise
        verdict.problems.append(traceback.format_exc())
    # Neither duplicates nor runs lost after the end are caused by a slow machine.
    if late is not None and not verdict.doubled and not (over and verdict.lost):
        raise late


def turns(faults: Sequence[Fault], repeat: int, *, first: int = 0) -> list[Turn]:
    """Return every fault once, then again, so that a shortened run includes every area.

    Args:
        first: Number of the area to start with, from 0, modulo the number of areas.
    """
    areas: dict[str, list[Fault]] = {}
    for fault in faults:
        areas.setdefault(fault.area, []).append(fault)
    groups = list(areas.values())
    begin = first % len(groups)
    groups = groups[begin:] + groups[:begin]
    in_turn: list[Fault] = []
    while any(groups):
        in_turn += [group.pop(0) for group in groups if group]
    return [Turn(fault, number + 1) for number in range(repeat) for fault in in_turn]


class Show:
    """Lanes that work through one list of turns."""

    def __init__(
        self,
        plan: Sequence[Turn],
        *,
        lanes: int,
        short: bool,
        seed: int,
        budget_seconds: float | None,
    ) -> None:
        self._plan: queue.SimpleQueue[Turn] = queue.SimpleQueue()
        for turn in plan:
            self._plan.put(turn)
        self._lanes = max(1, min(lanes, len(plan)))
        self._short = short
        self._seed = seed
        self._budget_seconds = budget_seconds
        self._longest = 15.0
        self._print = threading.Lock()
        self.verdicts: list[Verdict] = []
        self.broken: list[BaseException] = []
        self.versions = ("?", "?")

    def run(self, say: Callable[[str], None]) -> None:
        """Run everything; return when all lanes have ended."""
        self._begun = time.monotonic()
        threads = [
            threading.Thread(target=self._lane, args=(say,), name=f"lane {number + 1}")
            for number in range(self._lanes)
        ]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.2)
        except BaseException:
            # Ignore a second signal, which would interrupt the cleanup.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            STOPPING.set()
            say("Stopping; removing processes and files.")
            for thread in threads:
                thread.join()
            raise

    def _lane(self, say: Callable[[str], None]) -> None:
        lane: Lane | None = None
        try:
            lane = Lane(short=self._short, seed=self._seed)
            self.versions = (lane.postgresql.version(), lane.broker.version())
            while not STOPPING.is_set() and not self._out_of_time():
                try:
                    turn = self._plan.get_nowait()
                except queue.Empty:
                    return
                verdict = lane.play(turn)
                if STOPPING.is_set():
                    return
                self._longest = max(self._longest, min(verdict.seconds, 30.0))
                with self._print:
                    self.verdicts.append(verdict)
                    say(verdict.line())
                    for problem in verdict.problems:
                        say(f"     {problem}")
                    if not verdict.good and verdict.logs:
                        say(verdict.logs)
        except BaseException as problem:  # noqa: BLE001 - reported by the main thread
            self.broken.append(problem)
        finally:
            if lane is not None:
                lane.close()

    def _out_of_time(self) -> bool:
        if self._budget_seconds is None:
            return False
        return time.monotonic() - self._begun + self._longest > self._budget_seconds


def chosen(only: Sequence[str], areas: Sequence[str], *, short: bool) -> list[Fault]:
    """Return the faults of *areas* whose name contains one of *only*; all without any.

    Faults that require another broker or a pool of processes are left out.
    """
    found = [fault for fault in FAULTS if not only or any(text in fault.name for text in only)]
    found = [fault for fault in found if not areas or fault.area in areas]
    found = [fault for fault in found if fault.broker in (None, current_mode().broker)]
    if not current_mode().has_processes:
        found = [fault for fault in found if not fault.processes]
    return [fault for fault in found if not (short and fault.long)]
