"""Launchers that are killed or stopped at every step of a launch, and several launchers."""

from __future__ import annotations

import signal
from collections.abc import Iterator

from ..catalogue import fault
from ..mode import current_mode
from ..stages.processes import LAUNCH_QUEUE, OWNERSHIP_SECONDS, RUNS_QUEUE
from ..stages.stage import Stage

AREA = "launcher"
TICK = "taskadmin.tick"
MANY = 300


def _many(stage: Stage, count: int = MANY) -> None:
    """Add more tasks than one page holds."""
    stage.add_tasks(count - 10, "quick")
    stage.add_tasks(10, "steady")


def _killed_at(
    stage: Stage, when: str, match: str, *, count: int = 1, tasks: int = MANY
) -> Iterator[None]:
    """Let a launcher kill itself at a breakpoint, then start another."""
    _many(stage, tasks)
    point = stage.breakpoint(when, match, count=count)
    launcher = stage.launcher(FAULTS_BREAKPOINT=point)
    stage.worker()
    stage.beat()
    stage.wait(lambda: not launcher.alive(), "the launcher to end at its breakpoint", seconds=45)
    stage.expect(stage.breakpoint_met(), f"the launcher ended before it:\n{launcher.text()}")
    stage.launcher("second")
    yield


_PAGES = {"TASKADMIN_PAGE_SIZE": 50}


@fault("launcher killed before the launch's commit", area=AREA)
def before_launch_commit(stage: Stage) -> Iterator[None]:
    """The launch is rolled back; the next tick launches the slot."""
    yield from _killed_at(stage, "commit", "INSERT INTO taskadmin_launch", tasks=50)


@fault("launcher killed after the launch's commit", area=AREA)
def after_launch_commit(stage: Stage) -> Iterator[None]:
    """A launch without runs remains; another launcher continues it."""
    yield from _killed_at(stage, "committed", "INSERT INTO taskadmin_launch", tasks=50)


@fault("launcher killed before a page's commit", area=AREA, settings=_PAGES)
def before_page_commit(stage: Stage) -> Iterator[None]:
    """In the second of six pages, with its runs written but not committed."""
    yield from _killed_at(stage, "commit", "INSERT INTO taskadmin_task_result", count=2)


@fault("launcher killed between commit and publish", area=AREA, settings=_PAGES)
def between_commit_and_publish(stage: Stage) -> Iterator[None]:
    """In the second of six pages, with its runs committed and none sent."""
    yield from _killed_at(stage, "committed", "INSERT INTO taskadmin_task_result", count=2)


@fault("launcher killed half-way through publishing", area=AREA, settings=_PAGES)
def half_way(stage: Stage) -> Iterator[None]:
    """In the third of six pages, with some of its runs sent."""
    yield from _killed_at(stage, "publish", RUNS_QUEUE, count=current_mode().messages_of(120))


@fault("launcher killed before its cursor moves", area=AREA, settings=_PAGES)
def before_cursor(stage: Stage) -> Iterator[None]:
    """A page's runs are sent, but the cursor isn't saved: they are sent twice."""
    yield from _killed_at(stage, "statement", "UPDATE taskadmin_launch.*published_id", count=2)


@fault("launcher killed before it notes the end", area=AREA, settings=_PAGES)
def before_published(stage: Stage) -> Iterator[None]:
    """Everything is sent, but the launch isn't recorded as published."""
    yield from _killed_at(stage, "statement", "UPDATE taskadmin_launch.*published_at", tasks=100)


@fault("launcher killed at random moments", area=AREA, settings={"TASKADMIN_PAGE_SIZE": 25})
def at_random(stage: Stage) -> Iterator[None]:
    """Kill -9 three times during a launch, with a restart after each."""
    _many(stage, 600)
    launcher = stage.launcher()
    stage.worker()
    stage.beat()
    for _ in range(3):
        stage.wait_ready(launcher)
        stage.sleep(stage.random.uniform(0.0, 0.8))
        launcher.kill()
        launcher.start()
    yield


def _stopped_at(stage: Stage, when: str, match: str, *, count: int, seconds: float) -> None:
    """Let a launcher stop itself, let another one finish the launch, and continue the first."""
    _many(stage)
    point = stage.breakpoint(when, match, count=count, action="stop")
    launcher = stage.launcher("stopped", FAULTS_BREAKPOINT=point)
    stage.worker()
    stage.beat()
    stage.wait(stage.breakpoint_met, "the launcher to stop at its breakpoint", seconds=45)
    second = stage.launcher("second")
    stage.wait_ready(second)
    stage.sleep(seconds)
    launcher.send(signal.SIGCONT)


@fault("launcher stopped past its ownership", area=AREA, settings=_PAGES)
def stopped_past_ownership(stage: Stage) -> Iterator[None]:
    """SIGSTOP while publishing; when it continues, another launcher has finished the launch."""
    number = current_mode().messages_of(70)
    _stopped_at(stage, "publish", RUNS_QUEUE, count=number, seconds=OWNERSHIP_SECONDS + 3)
    yield


@fault(
    "launcher stopped inside a transaction",
    area=AREA,
    settings=_PAGES,
    long=True,
    deadline_seconds=90,
)
def stopped_in_transaction(stage: Stage) -> Iterator[None]:
    """SIGSTOP with locks held; the database ends the transaction, another launcher continues."""
    _stopped_at(stage, "commit", "INSERT INTO taskadmin_task_result", count=2, seconds=40)
    yield


def _one_launch(stage: Stage) -> None:
    launches = stage.value("SELECT count(*) FROM taskadmin_launch")
    stage.expect(launches == 1, f"there are {launches} launches")


@fault("two beats", area=AREA)
def two_beats(stage: Stage) -> Iterator[None]:
    """Every tick is sent twice."""
    stage.load(24, seconds=0.1)
    stage.beat("beat2")
    stage.start_all()
    stage.wait_runs()
    yield
    _one_launch(stage)


@fault("two launchers at a barrier", area=AREA, settings=_PAGES)
def two_launchers(stage: Stage) -> Iterator[None]:
    """Both wait for a lock on the table of launches, and continue at the same moment."""
    _many(stage)
    launchers = stage.launcher(), stage.launcher("second")
    stage.worker()
    with stage.postgresql.connect(stage.database) as connection, connection.transaction():
        connection.execute("LOCK TABLE taskadmin_launch IN ACCESS EXCLUSIVE MODE")
        stage.wait_ready(*launchers)
        stage.send(TICK, [], LAUNCH_QUEUE, times=2)
        stage.wait(lambda: _waiting(stage) >= 2, "two launchers at the lock")
    stage.beat()
    yield
    _one_launch(stage)


def _waiting(stage: Stage) -> int:
    """Return the number of sessions that wait for a lock."""
    return int(
        stage.value(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
    )


@fault("launch message twice", area=AREA)
def message_twice(stage: Stage) -> Iterator[None]:
    """``taskadmin.launch_tasks`` is delivered twice, to two launchers."""
    yield from _messages(stage, 2)


@fault("launch message twenty times", area=AREA)
def message_twenty_times(stage: Stage) -> Iterator[None]:
    """``taskadmin.launch_tasks`` is delivered twenty times, to two launchers."""
    yield from _messages(stage, 20)


def _messages(stage: Stage, times: int) -> Iterator[None]:
    stage.load(24, seconds=0.1)
    launchers = stage.launcher(), stage.launcher("second")
    stage.worker()
    stage.wait_ready(*launchers)
    stage.send("taskadmin.launch_tasks", [], LAUNCH_QUEUE, times=times)
    stage.wait_runs()
    stage.beat()
    yield
    _one_launch(stage)


@fault("launcher is sent TERM in a launch", area=AREA, settings=_PAGES)
def term(stage: Stage) -> Iterator[None]:
    """A launcher is terminated while it publishes, and replaced."""
    _many(stage, 600)
    launcher = stage.launcher()
    stage.worker()
    stage.beat()
    stage.wait(lambda: stage.count() >= 100, "some pages", seconds=45)
    launcher.send(signal.SIGTERM)
    stage.expect(launcher.wait(60) is not None, "the launcher didn't end")
    stage.launcher("second")
    yield


@fault("every process killed at once", area=AREA, extra=2)
def all_killed(stage: Stage) -> Iterator[None]:
    """Kill -9 of beat, launcher and worker during a launch, then a start of all three."""
    everyone = stage.start_draining()
    for role in everyone:
        role.send_group(signal.SIGKILL)
    for role in everyone:
        role.start()
    yield
