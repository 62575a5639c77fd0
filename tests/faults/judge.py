"""Check what must hold after a fault, in the database and in the jobs' own record of executions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from .catalogue import Unexpected
from .mode import current_mode
from .stages.processes import LOST_ATTEMPTS
from .stages.stage import Stage

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Planned executions of one run, by job.
PLANNED: dict[str, int] = {"poison": LOST_ATTEMPTS, "exits": LOST_ATTEMPTS}
#: Approximate number of processes of a stage's workers.
UNDER_WAY = 4
#: Expected state and error type of a job's runs; runs of other jobs succeed.
ENDS: dict[str, tuple[str, str]] = {
    "poison": ("failed", "WorkerLost"),
    "exits": ("failed", "WorkerLost"),
    "memory": ("failed", "MemoryError"),
    "hangs": ("failed", "TimeLimitExceeded"),
    "slow": ("failed", "SoftTimeLimitExceeded"),
}


@dataclass(slots=True)
class Verdict:
    """The result of one repetition."""

    fault: str
    repetition: int
    runs: int = 0
    lost: int = 0
    doubled: int = 0
    executions: int = 0
    allowed: int = 0
    recovery_seconds: float | None = None
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    logs: str = ""
    skipped: str | None = None

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled or self.problems)

    def line(self) -> str:
        """The result on one line."""
        if self.skipped:
            return f"{self.fault}: skipped, {self.skipped}"
        recovery = "-" if self.recovery_seconds is None else f"{self.recovery_seconds:.1f} s"
        return (
            f"{'ok  ' if self.good else 'FAIL'} {self.fault} #{self.repetition}: {self.runs} runs,"
            f" {self.lost} lost, {self.doubled} doubled, {self.executions} executions of at most"
            f" {self.allowed}, recovery {recovery}, took {self.seconds:.0f} s"
        )


class Judge:
    """Determines when a repetition is over, and its result."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        #: Later launches may still be open when the processes end.
        self._last_launch = 0

    def wait_for_the_end(self) -> None:
        """Wait until every current launch is closed and all its runs have finished."""
        last: int | None = None

        def done() -> bool:
            nonlocal last
            if last is None:
                last = self._stage.value("SELECT max(id) FROM taskadmin_launch")
            if last is None:
                return False
            if self._stage.value("SELECT count(*) FROM taskadmin_launch") < self._stage.launches:
                last = None
                return False
            self._last_launch = last
            if self._unfinished() or self._stage.value(
                "SELECT count(*) FROM taskadmin_launch"
                " WHERE id <= %s AND state NOT IN ('closed', 'missed')",
                last,
            ):
                return False
            # The turn that launched the last slot may have begun before the clock jumped; the
            # next turn then launches the slots in between, with higher ids.
            _wanted, missing = self._slots()
            return not missing

        try:
            self._stage.wait(done, "the end of every run", seconds=self._stage.deadline_seconds)
        except Unexpected as late:
            states = self._stage.sql(
                "SELECT job, state, count(*) FROM taskadmin_task_result"
                " WHERE finished_at IS NULL GROUP BY 1, 2"
            )
            launches = self._stage.sql(
                "SELECT id, slot, state, owner_until, after_task_id, upto_task_id, published_id"
                " FROM taskadmin_launch WHERE state NOT IN ('closed', 'missed') ORDER BY id LIMIT 5"
            )
            raise Unexpected(
                f"{late}: open runs {[tuple(map(str, row)) for row in states]},"
                f" open launches {[tuple(map(str, row)) for row in launches]}"
            ) from None

    def _unfinished(self) -> int:
        """Return runs of (task, slot) that are missing or open."""
        return int(
            self._stage.value(
                "SELECT count(*) FROM taskadmin_launch l JOIN taskadmin_task t"
                " ON t.id <= l.upto_task_id AND t.enabled"
                " AND NOT EXISTS (SELECT FROM taskadmin_schedule s WHERE s.task_id = t.id)"
                " LEFT JOIN taskadmin_task_result r"
                " ON r.task_id = t.id AND r.due_at = l.slot AND r.finished_at IS NOT NULL"
                " WHERE l.kind = 'slot' AND l.state <> 'missed' AND l.id <= %s AND r.id IS NULL",
                self._last_launch,
            )
        )

    def judge(self, verdict: Verdict) -> None:
        """Check the invariants, after the processes have ended."""
        self._last_launch = (
            self._last_launch or self._stage.value("SELECT max(id) FROM taskadmin_launch") or 0
        )
        rows = self._stage.sql(
            "SELECT r.id, r.state, r.error_type, r.job, r.task_params ->> 'marker',"
            " (r.task_params ->> 'fails')::int, r.launch_id FROM taskadmin_task_result r ORDER BY r.id"
        )
        judged = [row for row in rows if row[6] <= self._last_launch]
        verdict.lost = self._unfinished()
        if not self._last_launch:
            verdict.lost = int(
                self._stage.value("SELECT count(*) FROM taskadmin_task WHERE enabled")
            )
        # Runs of a slot that began after the fault's end may still be open.
        verdict.runs = sum(
            row[6] <= self._last_launch or row[1] not in ("queued", "running") for row in rows
        )
        self._judge_doubled(verdict)
        self._judge_slots(verdict)
        self._judge_ends(verdict, judged)
        self._judge_executions(verdict, rows)
        if self._stage.fault_ended is not None:
            last = self._stage.value(
                "SELECT extract(epoch FROM max(w.at)) FROM watch.log w JOIN taskadmin_task_result r"
                " ON r.id = w.run_id WHERE w.final AND r.launch_id <= %s",
                self._last_launch,
            )
            if last is not None:
                verdict.recovery_seconds = max(0.0, float(last) - self._stage.fault_ended)

    def _judge_doubled(self, verdict: Verdict) -> None:
        again = self._stage.sql(
            "SELECT run_id FROM watch.log WHERE final GROUP BY 1 HAVING count(*) > 1"
        )
        changed = self._stage.sql("SELECT DISTINCT run_id FROM watch.log WHERE changed")
        twice = self._stage.sql(
            "SELECT task_id, due_at FROM watch.log WHERE op = 'INSERT'"
            " GROUP BY 1, 2 HAVING count(*) > 1"
        )
        slots = self._stage.sql(
            "SELECT slot FROM taskadmin_launch WHERE kind = 'slot' GROUP BY 1 HAVING count(*) > 1"
        )
        doubled = {row[0] for row in [*again, *changed]}
        verdict.doubled = len(doubled) + len(twice) + len(slots)
        if doubled:
            history = self._stage.sql(
                "SELECT run_id, before, after, at::text FROM watch.log WHERE run_id = %s ORDER BY at",
                min(doubled),
            )
            verdict.problems.append(f"a finished run changed: {history}")

    def _slots(self) -> tuple[int, list[datetime]]:
        """Return the number of slots from first to last, and those without a record."""
        interval = timedelta(seconds=self._stage.settings["TASKADMIN_LAUNCH_INTERVAL_SECONDS"])
        launches = self._stage.sql("SELECT slot, id FROM taskadmin_launch WHERE kind = 'slot'")
        begun = [slot for slot, id_ in launches if id_ <= self._last_launch]
        if not begun:
            return 0, []
        wanted = set()
        for begin, end in self._stage.stretches or [(min(begun), max(begun))]:
            slot = _EPOCH + -(-(begin - _EPOCH) // interval) * interval
            while slot <= end:
                wanted.add(slot)
                slot += interval
        return len(wanted), sorted(wanted - {slot for slot, _ in launches})

    def _judge_slots(self, verdict: Verdict) -> None:
        wanted, missing = self._slots()
        if not wanted:
            verdict.problems.append("no slot was launched")
        if missing:
            verdict.problems.append(
                f"{len(missing)} of {wanted} slots have neither a launch nor a record of"
                f" having been missed, the first is {missing[0]:%H:%M:%S}"
            )

    def _judge_ends(self, verdict: Verdict, rows: Sequence[tuple[Any, ...]]) -> None:
        wrong: Counter[str] = Counter()
        for _id, state, error_type, job, marker, _fails, _launch in rows:
            if state in ("queued", "running"):
                continue  # counted as lost
            wanted = self._stage.ends.get(marker) or ENDS.get(job) or ("succeeded", None)
            wanted_state, wanted_error = wanted
            if state != wanted_state or (
                wanted_error is not None and wanted_error not in (error_type or "")
            ):
                wrong[
                    f"a run of {job} ended {state} ({error_type}),"
                    f" not {wanted_state} ({wanted_error})"
                ] += 1
        for text, count in wrong.items():
            verdict.problems.append(f"{text}: {count} times")

    def _judge_executions(self, verdict: Verdict, rows: Sequence[tuple[Any, ...]]) -> None:
        counted = Counter(marker for marker, _, _ in self._stage.executions())
        planned: Counter[str] = Counter()
        succeeded: Counter[str] = Counter()
        waiting = 0
        for _id, state, _error, job, marker, fails, launch in rows:
            if marker is None:
                continue
            if state == "queued" and launch > self._last_launch:
                waiting += 1
                continue
            planned[marker] += PLANNED.get(job, (fails or 0) + 1)
            succeeded[marker] += state == "succeeded"
        verdict.executions = sum(counted.values())
        # On a slow machine, a worker may be silent for longer than its lease; its runs are
        # executed again, as documented.
        silent = self._stage.value(
            "SELECT count(*) FROM taskadmin_process WHERE kind = 'child' AND ending = 'lost'"
        )
        extra = max(self._stage.extra, silent)
        # In progress when the processes ended, of a slot that began after the fault's end.
        extra += min(waiting, UNDER_WAY * current_mode().per_message)
        verdict.allowed = sum(planned.values()) + extra
        surplus = {m: n - planned[m] for m, n in counted.items() if n > planned[m]}
        if sum(surplus.values()) > extra:
            verdict.problems.append(
                f"{sum(surplus.values())} additional executions, {extra} are allowed:"
                f" {dict(list(surplus.items())[:10])}"
            )
        unexecuted = [m for m, n in succeeded.items() if counted[m] < n]
        if unexecuted:
            verdict.problems.append(f"recorded, but not executed: {unexecuted[:10]}")
