"""Clocks that jump, days with a change of time, and time that passes without beat."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from .catalogue import fault
from .clock_shim import ShiftedClock
from .stage import Stage

AREA = "clock"
HOUR = timedelta(hours=1)
SLOT_SECONDS = 3
SHORT_SLOTS = {"TASKADMIN_LAUNCH_INTERVAL_SECONDS": SLOT_SECONDS}
LONGER_SLOTS = {"TASKADMIN_LAUNCH_INTERVAL_SECONDS": 10}


def _load(stage: Stage) -> None:
    stage.add_tasks(3, "quick")
    stage.add_tasks(3, "steady", seconds=0.05)


def _slots(stage: Stage, more: int) -> None:
    """Wait until this many more launches are published."""
    count = "SELECT count(*) FROM taskadmin_launch WHERE state IN ('published', 'closed')"
    before = stage.value(count)
    seconds = stage.settings["TASKADMIN_LAUNCH_INTERVAL_SECONDS"]
    stage.wait(
        lambda: stage.value(count) >= before + more,
        f"{more} more launches",
        seconds=60 + more * seconds,
    )


def _last_slot(stage: Stage) -> datetime:
    """Begin of the newest slot that was launched; launches are numbered in order."""
    return stage.value(  # type: ignore[no-any-return]
        "SELECT slot FROM taskadmin_launch WHERE state <> 'missed' ORDER BY id DESC LIMIT 1"
    )


@fault("database clock + 1 h", area=AREA, settings=LONGER_SLOTS)
def database_forward(stage: Stage) -> Iterator[None]:
    """The hour's slots are recorded as missed, one each; the present one is launched."""
    _load(stage)
    stage.use_own_clock()
    stage.start_all()
    _slots(stage, 1)
    stage.set_clock(HOUR)
    stage.ended()
    _slots(stage, 1)
    yield


@fault("database clock − 1 h", area=AREA, settings=SHORT_SLOTS)
def database_back(stage: Stage) -> Iterator[None]:
    """Slots of an hour ago, which weren't launched then, are launched; then the clock is right."""
    _load(stage)
    stage.use_own_clock()
    stage.start_all()
    _slots(stage, 2)
    first = stage.value("SELECT min(slot) FROM taskadmin_launch")
    last = _last_slot(stage)
    stage.set_clock(-HOUR)
    _slots(stage, 2)
    back = stage.value("SELECT min(slot) FROM taskadmin_launch")
    stage.expect(back < first, "no slot of an hour ago was launched")
    stage.set_clock(timedelta(0))
    stage.ended()
    _slots(stage, 2)
    # Not those of the hour ago: before the newest slot that is on record nothing is recorded as
    # missed, and a slow machine may miss a slot of 3 s.
    stage.stretches = [(first, last)]
    yield


@fault("database clock − 1 h and the same slots again", area=AREA, settings=SHORT_SLOTS)
def database_repeats(stage: Stage) -> Iterator[None]:
    """The clock goes back by four slots, as often: no slot is launched a second time."""
    _load(stage)
    stage.use_own_clock()
    stage.start_all()
    _slots(stage, 4)
    # A second launch of a slot, or a second run of a task, is found by the judge.
    stage.set_clock(timedelta(seconds=-3 * SLOT_SECONDS))
    stage.sleep(2 * SLOT_SECONDS)
    stage.ended()
    _slots(stage, 2)
    yield


def _one_is_off(stage: Stage, who: str, offset: timedelta) -> Iterator[None]:
    _load(stage)
    wrong = ShiftedClock(stage.folder, round(offset.total_seconds())).environment
    beat = stage.beat("beat", **(wrong if who == "beat" else {}))
    launcher = stage.launcher("launcher", **(wrong if who == "launcher" else {}))
    worker = stage.worker("worker", 2, **(wrong if who == "worker" else {}))
    stage.wait_ready(launcher, worker)
    stage.ended()
    _slots(stage, 2)
    yield
    stage.expect(beat.alive(), "beat ended")


@fault("worker's clock + 1 h", area=AREA, settings=SHORT_SLOTS)
def worker_forward(stage: Stage) -> Iterator[None]:
    """The machine of a worker is an hour ahead."""
    yield from _one_is_off(stage, "worker", HOUR)


@fault("worker's clock − 1 h", area=AREA, settings=SHORT_SLOTS)
def worker_back(stage: Stage) -> Iterator[None]:
    """The machine of a worker is an hour behind."""
    yield from _one_is_off(stage, "worker", -HOUR)


@fault("beat's clock + 1 h", area=AREA, settings=SHORT_SLOTS)
def beat_forward(stage: Stage) -> Iterator[None]:
    """The machine of beat is an hour ahead."""
    yield from _one_is_off(stage, "beat", HOUR)


@fault("beat's clock − 1 h", area=AREA, settings=SHORT_SLOTS)
def beat_back(stage: Stage) -> Iterator[None]:
    """The machine of beat is an hour behind: its messages look old to the launcher."""
    yield from _one_is_off(stage, "beat", -HOUR)


@fault("launcher's clock + 1 h", area=AREA, settings=SHORT_SLOTS)
def launcher_forward(stage: Stage) -> Iterator[None]:
    """The machine of a launcher is an hour ahead: beat's messages look old to it."""
    yield from _one_is_off(stage, "launcher", HOUR)


@fault("launcher's clock − 1 h", area=AREA, settings=SHORT_SLOTS)
def launcher_back(stage: Stage) -> Iterator[None]:
    """The machine of a launcher is an hour behind."""
    yield from _one_is_off(stage, "launcher", -HOUR)


def _jumps(stage: Stage, seconds: int) -> Iterator[None]:
    """Beat's clock jumps while it runs."""
    _load(stage)
    clock = ShiftedClock(stage.folder, 0)
    beat = stage.beat("beat", **clock.environment)
    stage.wait_ready(stage.launcher(), stage.worker())
    _slots(stage, 1)
    clock.set(seconds)
    stage.ended()
    _slots(stage, 2)
    yield
    stage.expect(beat.alive(), "beat ended")


@fault("beat's clock jumps forward", area=AREA, settings=SHORT_SLOTS)
def beat_jumps_forward(stage: Stage) -> Iterator[None]:
    """The clock of beat's machine jumps an hour ahead while it runs."""
    yield from _jumps(stage, 3600)


@fault("beat's clock jumps back", area=AREA, settings=SHORT_SLOTS)
def beat_jumps_back(stage: Stage) -> Iterator[None]:
    """The clock of beat's machine jumps an hour back while it runs: slots are launched on time."""
    yield from _jumps(stage, -3600)


def _change_of_time(stage: Stage, change: datetime) -> Iterator[None]:
    """Everything lives in Berlin; the database's clock passes *change* in the middle."""
    _load(stage)
    stage.environment["TZ"] = "Europe/Berlin"
    stage.alter_database("SET timezone = 'Europe/Berlin'")
    stage.use_own_clock()
    begun = time.monotonic()
    stage.wait_ready(stage.launcher(), stage.worker())
    # Beat needs no longer than these two did; at least one slot comes before the change.
    lead = timedelta(seconds=4 * SLOT_SECONDS + time.monotonic() - begun)
    stage.set_clock(change - lead - datetime.now(UTC))
    stage.beat()
    _slots(stage, 1)
    stage.wait(
        lambda: stage.database_time() > change,
        "the change of time",
        seconds=lead.total_seconds() + 30,
    )
    stage.ended()
    _slots(stage, 2)
    yield
    first = stage.value("SELECT min(slot) FROM taskadmin_launch WHERE state <> 'missed'")
    stage.expect_in_time(first < change, f"the first slot is {first}")
    stage.expect(change <= _last_slot(stage), f"the last slot is {_last_slot(stage)}")
    # The change is an hour, 1200 slots; a busy machine may miss some of a few seconds, which are
    # then on record: the judge counts those without.
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
    """One of the two is away for four slots."""
    _load(stage)
    stage.start_all()
    _slots(stage, 1)
    role = stage.role(name)
    role.kill()
    stage.sleep(4 * SLOT_SECONDS)
    role.start()
    stage.ended()
    _slots(stage, 1)
    yield
    # Three lie wholly within; a tick that was under way may still launch the first. A slow
    # machine misses more; that each is launched or on record is for the judge.
    missed = stage.value("SELECT count(*) FROM taskadmin_launch WHERE state = 'missed'")
    stage.expect(missed >= 2, f"{missed} slots are recorded as missed")


@fault("beat dead over four slots", area=AREA, settings=SHORT_SLOTS)
def beat_dead(stage: Stage) -> Iterator[None]:
    """Each of them is recorded as missed when beat is back."""
    yield from _dead(stage, "beat")


@fault("launcher dead over four slots", area=AREA, settings=SHORT_SLOTS)
def launcher_dead(stage: Stage) -> Iterator[None]:
    """Each of them is recorded as missed when a launcher is back."""
    yield from _dead(stage, "launcher")


@fault("broken beat schedule file", area=AREA, settings=SHORT_SLOTS)
def broken_schedule(stage: Stage) -> Iterator[None]:
    """Beat finds garbage where it keeps its schedule, makes a new one and goes on."""
    _load(stage)
    beat, _, _ = stage.start_all()
    _slots(stage, 1)
    beat.kill()
    files = sorted(stage.folder.glob("beat-schedule*"))
    stage.expect(files, "beat keeps no file")
    for file in files:
        file.write_bytes(b"\0garbage\xff" * 100)
    beat.start()
    stage.ended()
    _slots(stage, 1)
    yield
    stage.expect(beat.alive(), f"beat ended with {beat.process.poll()}")


@fault("beat killed while it writes its schedule", area=AREA, settings=SHORT_SLOTS)
def beat_killed(stage: Stage) -> Iterator[None]:
    """Kill -9 of beat three times at random moments, each time followed by a restart."""
    _load(stage)
    beat, _, _ = stage.start_all()
    for _ in range(3):
        stage.sleep(stage.random.uniform(0.5, 2.0))
        beat.kill()
        beat.start()
    stage.ended()
    _slots(stage, 1)
    yield
