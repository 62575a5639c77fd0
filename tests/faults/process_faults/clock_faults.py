"""Clocks that jump, changes to and from summer time, and periods without beat."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from ..catalogue import fault
from ..devices.clock_shim import ShiftedClock
from ..stages.stage import Stage

AREA = "clock"
HOUR = timedelta(hours=1)
SLOT_SECONDS = 3
SHORT_SLOTS = {"TASKADMIN_LAUNCH_INTERVAL_SECONDS": SLOT_SECONDS}
LONGER_SLOTS = {"TASKADMIN_LAUNCH_INTERVAL_SECONDS": 10}


def _load(stage: Stage) -> None:
    stage.add_tasks(3, "quick")
    stage.add_tasks(3, "steady", seconds=0.05)


def _last_slot(stage: Stage) -> datetime:
    """Return the begin of the slot launched last, by launch id."""
    return stage.value(  # type: ignore[no-any-return]
        "SELECT slot FROM taskadmin_launch WHERE state <> 'missed' ORDER BY id DESC LIMIT 1"
    )


@fault("database clock + 1 h", area=AREA, settings=LONGER_SLOTS)
def database_forward(stage: Stage) -> Iterator[None]:
    """The hour's slots are recorded as missed one by one; the current slot is launched."""
    _load(stage)
    stage.use_own_clock()
    stage.start_all()
    stage.wait_slots(1)
    stage.set_clock(HOUR)
    stage.ended()
    stage.wait_slots(1)
    yield


@fault("database clock + 1 h within a turn", area=AREA, settings=LONGER_SLOTS)
def database_forward_in_turn(stage: Stage) -> Iterator[None]:
    """After a turn's check for missed slots; the next turn records them."""
    _load(stage)
    stage.use_own_clock()
    # A query that a turn executes after its check for missed slots; later, a slot is launched.
    point = stage.breakpoint("statement", "waiting_run_id IS NOT NULL", count=6, action="stop")
    launcher = stage.launcher(FAULTS_BREAKPOINT=point)
    stage.wait_ready(launcher, stage.worker())
    stage.beat()
    stage.wait(stage.breakpoint_met, "the launcher to stop at its breakpoint", seconds=45)
    stage.set_clock(HOUR)
    launcher.send(signal.SIGCONT)
    stage.ended()
    stage.wait_slots(1)
    yield
    before = stage.value(
        "SELECT true FROM taskadmin_launch l JOIN taskadmin_launch m ON l.slot > m.slot"
        " WHERE l.state <> 'missed' AND m.state = 'missed' AND l.id < m.id LIMIT 1"
    )
    stage.expect(before, "the slots were recorded as missed before the current one was launched")


@fault("database clock − 1 h", area=AREA, settings=SHORT_SLOTS)
def database_back(stage: Stage) -> Iterator[None]:
    """Slots of an hour ago that weren't launched then are launched; then the clock is corrected."""
    _load(stage)
    stage.use_own_clock()
    stage.start_all()
    stage.wait_slots(2)
    first = stage.value("SELECT min(slot) FROM taskadmin_launch")
    last = _last_slot(stage)
    stage.set_clock(-HOUR)
    stage.wait_slots(2)
    back = stage.value("SELECT min(slot) FROM taskadmin_launch")
    stage.expect(back < first, "no slot of an hour ago was launched")
    stage.set_clock(timedelta(0))
    stage.ended()
    stage.wait_slots(2)
    # Not those of an hour ago: slots before the newest recorded one aren't recorded as
    # missed, and a slow machine may miss slots of 3 s.
    stage.stretches = [(first, last)]
    yield


@fault("database clock − 1 h and the same slots again", area=AREA, settings=SHORT_SLOTS)
def database_repeats(stage: Stage) -> Iterator[None]:
    """The clock repeatedly jumps back by four slots: no slot is launched twice."""
    _load(stage)
    stage.use_own_clock()
    stage.start_all()
    stage.wait_slots(4)
    # The judge finds a second launch of a slot and a second run of a task.
    stage.set_clock(timedelta(seconds=-3 * SLOT_SECONDS))
    stage.sleep(2 * SLOT_SECONDS)
    stage.ended()
    stage.wait_slots(2)
    yield


def _one_is_off(stage: Stage, who: str, offset: timedelta) -> Iterator[None]:
    _load(stage)
    wrong = ShiftedClock(stage.folder, round(offset.total_seconds())).environment
    beat = stage.beat("beat", **(wrong if who == "beat" else {}))
    launcher = stage.launcher("launcher", **(wrong if who == "launcher" else {}))
    worker = stage.worker("worker", 2, **(wrong if who == "worker" else {}))
    stage.wait_ready(launcher, worker)
    stage.ended()
    stage.wait_slots(2)
    yield
    stage.expect(beat.alive(), "beat ended")


@fault("worker's clock + 1 h", area=AREA, settings=SHORT_SLOTS)
def worker_forward(stage: Stage) -> Iterator[None]:
    """A worker's machine is an hour ahead."""
    yield from _one_is_off(stage, "worker", HOUR)


@fault("worker's clock − 1 h", area=AREA, settings=SHORT_SLOTS)
def worker_back(stage: Stage) -> Iterator[None]:
    """A worker's machine is an hour behind."""
    yield from _one_is_off(stage, "worker", -HOUR)


@fault("beat's clock + 1 h", area=AREA, settings=SHORT_SLOTS)
def beat_forward(stage: Stage) -> Iterator[None]:
    """Beat's machine is an hour ahead."""
    yield from _one_is_off(stage, "beat", HOUR)


@fault("beat's clock − 1 h", area=AREA, settings=SHORT_SLOTS)
def beat_back(stage: Stage) -> Iterator[None]:
    """Beat's machine is an hour behind, so its messages look old to the launcher."""
    yield from _one_is_off(stage, "beat", -HOUR)


@fault("launcher's clock + 1 h", area=AREA, settings=SHORT_SLOTS)
def launcher_forward(stage: Stage) -> Iterator[None]:
    """A launcher's machine is an hour ahead, so beat's messages look old to it."""
    yield from _one_is_off(stage, "launcher", HOUR)


@fault("launcher's clock − 1 h", area=AREA, settings=SHORT_SLOTS)
def launcher_back(stage: Stage) -> Iterator[None]:
    """A launcher's machine is an hour behind."""
    yield from _one_is_off(stage, "launcher", -HOUR)


def _jumps(stage: Stage, seconds: int) -> Iterator[None]:
    """Beat's clock jumps while it runs."""
    _load(stage)
    clock = ShiftedClock(stage.folder, 0)
    beat = stage.beat("beat", **clock.environment)
    stage.wait_ready(stage.launcher(), stage.worker())
    stage.wait_slots(1)
    clock.set(seconds)
    stage.ended()
    stage.wait_slots(2)
    yield
    stage.expect(beat.alive(), "beat ended")


@fault("beat's clock jumps forward", area=AREA, settings=SHORT_SLOTS)
def beat_jumps_forward(stage: Stage) -> Iterator[None]:
    """The clock of beat's machine jumps an hour forward while beat runs."""
    yield from _jumps(stage, 3600)


@fault("beat's clock jumps back", area=AREA, settings=SHORT_SLOTS)
def beat_jumps_back(stage: Stage) -> Iterator[None]:
    """The clock of beat's machine jumps an hour back while it runs: slots are launched on time."""
    yield from _jumps(stage, -3600)


def _change_of_time(stage: Stage, change: datetime) -> Iterator[None]:
    """Set all time zones to Berlin, and let the database's clock pass *change*."""
    _load(stage)
    stage.environment["TZ"] = "Europe/Berlin"
    stage.alter_database("SET timezone = 'Europe/Berlin'")
    stage.use_own_clock()
    begun = time.monotonic()
    stage.wait_ready(stage.launcher(), stage.worker())
    # Beat takes no longer than these two; at least one slot comes before the change.
    lead = timedelta(seconds=4 * SLOT_SECONDS + time.monotonic() - begun)
    stage.set_clock(change - lead - datetime.now(UTC))
    stage.beat()
    stage.wait_slots(1)
    stage.wait(
        lambda: stage.database_time() > change,
        "the change of time",
        seconds=lead.total_seconds() + 30,
    )
    stage.ended()
    stage.wait_slots(2)
    yield
    first = stage.value("SELECT min(slot) FROM taskadmin_launch WHERE state <> 'missed'")
    stage.expect_in_time(first < change, f"the first slot is {first}")
    stage.expect(change <= _last_slot(stage), f"the last slot is {_last_slot(stage)}")
    # The change is an hour, 1200 slots. A busy machine may miss a few slots, which must be
    # recorded; the judge counts the others.
    missed = stage.value("SELECT count(*) FROM taskadmin_launch WHERE state = 'missed'")
    stage.expect(missed < HOUR.total_seconds() / SLOT_SECONDS / 4, f"{missed} slots were missed")


@fault("summer time begins", area=AREA, settings=SHORT_SLOTS)
def summer(stage: Stage) -> Iterator[None]:
    """02:00 becomes 03:00 in the zone of processes and sessions: no slot is lost."""
    yield from _change_of_time(stage, datetime(2027, 3, 28, 1, tzinfo=UTC))


@fault("summer time ends", area=AREA, settings=SHORT_SLOTS)
def winter(stage: Stage) -> Iterator[None]:
    """03:00 becomes 02:00 in the zone of processes and sessions: no slot is doubled."""
    yield from _change_of_time(stage, datetime(2027, 10, 31, 1, tzinfo=UTC))


def _dead(stage: Stage, name: str) -> Iterator[None]:
    """Stop one of the two for four slots."""
    _load(stage)
    stage.start_all()
    stage.wait_slots(1)
    role = stage.role(name)
    role.kill()
    stage.sleep(4 * SLOT_SECONDS)
    role.start()
    stage.ended()
    stage.wait_slots(1)
    yield
    # Three lie wholly within; a tick in progress may still launch the first. A slow
    # machine misses more; the judge checks that each is launched or recorded.
    missed = stage.value("SELECT count(*) FROM taskadmin_launch WHERE state = 'missed'")
    stage.expect(missed >= 2, f"{missed} slots are recorded as missed")


@fault("beat dead over four slots", area=AREA, settings=SHORT_SLOTS)
def beat_dead(stage: Stage) -> Iterator[None]:
    """Each slot is recorded as missed when beat is back."""
    yield from _dead(stage, "beat")


@fault("launcher dead over four slots", area=AREA, settings=SHORT_SLOTS)
def launcher_dead(stage: Stage) -> Iterator[None]:
    """Each slot is recorded as missed when a launcher is back."""
    yield from _dead(stage, "launcher")


@fault("beat stopped over slots beside a second beat", area=AREA, settings=SHORT_SLOTS)
def beat_stopped(stage: Stage) -> Iterator[None]:
    """SIGSTOP of one of two beats for four slots, then SIGCONT: each slot is launched once."""
    _load(stage)
    second = stage.beat("beat2")
    beat, _, _ = stage.start_all()
    stage.wait(lambda: "Sending due task" in second.text(), "the second beat's first tick")
    stage.wait_slots(1)
    beat.send(signal.SIGSTOP)
    stopped = stage.database_time()
    stage.sleep(4 * SLOT_SECONDS)
    launched = stage.value(
        "SELECT count(*) FROM taskadmin_launch WHERE state <> 'missed' AND opened_at > %s", stopped
    )
    # Four slots have begun; a slow machine may miss some.
    stage.expect(launched >= 2, f"{launched} slots were launched with one beat left")
    beat.send(signal.SIGCONT)
    stage.ended()
    stage.wait_slots(2)
    yield
    stage.expect(beat.alive() and second.alive(), "a beat ended")


@fault("broken beat schedule file", area=AREA, settings=SHORT_SLOTS)
def broken_schedule(stage: Stage) -> Iterator[None]:
    """Beat finds an invalid schedule file, creates a new one and continues."""
    _load(stage)
    beat, _, _ = stage.start_all()
    stage.wait_slots(1)
    beat.kill()
    files = sorted(stage.folder.glob("beat-schedule*"))
    stage.expect(files, "beat keeps no file")
    for file in files:
        file.write_bytes(b"\0garbage\xff" * 100)
    beat.start()
    stage.ended()
    stage.wait_slots(1)
    yield
    stage.expect(beat.alive(), f"beat ended with {beat.process.poll()}")


@fault("beat killed while it writes its schedule", area=AREA, settings=SHORT_SLOTS)
def beat_killed(stage: Stage) -> Iterator[None]:
    """Kill -9 of beat three times at random moments, with a restart after each."""
    _load(stage)
    beat, _, _ = stage.start_all()
    for _ in range(3):
        stage.sleep(stage.random.uniform(0.5, 2.0))
        beat.kill()
        beat.start()
    stage.ended()
    stage.wait_slots(1)
    yield
