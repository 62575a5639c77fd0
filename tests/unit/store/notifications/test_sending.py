"""Messages: gathered, held back in quiet hours, and each sent once."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Engine, func, select, text, update
from sqlalchemy.orm import Session

from fixture_types import AtOnce, MakeTask
from services.notifying.notices import AddRun, Notify, TellRule, keys, messages
from taskadmin.jobs import all_jobs
from taskadmin.models import (
    NOTIFY_JOB,
    EventNotice,
    Launch,
    LaunchState,
    NotificationChannel,
    NotifiedEvent,
    Task,
    TaskResult,
    TaskSchedule,
)
from taskadmin.store.database.clock import now
from taskadmin.store.notifications import sending
from taskadmin.store.tasks.tasks import delete_tasks


def age_notices(session: Session, by: timedelta) -> None:
    """Set the time of notices to so long ago."""
    session.execute(update(EventNotice).values(noted_at=now(session) - by))
    session.commit()


def set_channel(session: Session, **columns: object) -> None:
    """Change the only channel."""
    session.execute(update(NotificationChannel).values(**columns))
    session.commit()


@pytest.fixture
def failed(make_task: MakeTask, tell: TellRule, add_run: AddRun) -> int:
    """A failed run that the channel is to be told."""
    tell(NotifiedEvent.FAILED)
    return add_run(make_task(name="Import"))


def test_a_message_is_a_run_that_a_launcher_publishes(
    session: Session, failed: int, notify: Notify, channel: NotificationChannel
) -> None:
    """Of a task that has no due times."""
    launch_id = notify()

    launch = session.get_one(Launch, launch_id)
    assert (launch.state, launch.queued) == (LaunchState.OPENING, 1)
    run = session.scalars(select(TaskResult).where(TaskResult.launch_id == launch_id)).one()
    assert (run.job, run.state, run.max_attempts) == (NOTIFY_JOB, "queued", 7)
    assert run.task_params["channel"] == channel.id
    assert run.task_params["title"] == "Shop: 1 run failed"
    assert session.scalars(select(EventNotice.delivery_id)).all() == [run.id]
    schedule = session.get_one(TaskSchedule, run.task_id)
    assert (schedule.next_due, schedule.kind) == (None, "once")


def test_a_thousand_failures_are_one_message(
    session: Session, make_task: MakeTask, tell: TellRule, notify: Notify, add_run: AddRun
) -> None:
    """With counts by task, and the five commonest errors with an example each."""
    tell(NotifiedEvent.FAILED)
    tasks = [make_task(name=f"Task {number}") for number in range(12)]
    first = add_run(tasks[0])
    row = session.get_one(TaskResult, first)
    moment = row.finished_at
    assert moment is not None
    columns = {
        one.name: getattr(row, one.name) for one in TaskResult.__table__.columns if one.name != "id"
    }
    kinds = {"A": 400, "B": 300, "C": 200, "D": 50, "E": 30, "F": 19}
    errors = [kind for kind, many in kinds.items() for _ in range(many)]
    session.add_all(
        TaskResult(
            **columns
            | {
                "task_id": tasks[number % 12].id,
                "due_at": moment + timedelta(microseconds=number),
                "error_type": f"{kind}Error",
                "error": f"Traceback …\n{kind}Error: it broke",
            }
        )
        for number, kind in enumerate(errors)
    )
    session.commit()

    notify()
    notify()

    (message,) = messages(session)
    assert message["title"] == "Shop: 1,000 runs failed"
    assert [(one["error"], one["count"]) for one in message["details"]["errors"]] == [
        (f"{kind}Error: it broke", kinds[kind]) for kind in "ABCDE"
    ]
    (event,) = message["details"]["events"]
    assert event["count"] == 1000
    assert len(event["subjects"]) == 10
    url = f"https://example.org/tasks/details/?id={tasks[0].id}"
    assert event["subjects"][0] == {
        "name": "Task 0",
        "count": 85,
        "task_id": tasks[0].id,
        "url": url,
    }
    assert "- 400 × AError: it broke" in message["text"]
    assert len(message["text"]) < 2_000


def test_events_are_gathered_after_the_first_one(
    session: Session, failed: int, notify: Notify, make_task: MakeTask, add_run: AddRun
) -> None:
    """A message is sent when the time is over, with all that came meanwhile."""
    set_channel(session, gather_seconds=60)
    assert notify() is None
    add_run(make_task())
    assert notify() is None
    first = select(EventNotice.id).order_by(EventNotice.id).limit(1).scalar_subquery()
    session.execute(
        update(EventNotice)
        .where(EventNotice.id == first)
        .values(noted_at=now(session) - timedelta(minutes=1))
    )
    session.commit()

    assert notify() is not None
    assert [one["details"]["events"][0]["count"] for one in messages(session)] == [2]


def test_quiet_hours_hold_messages_back(
    session: Session, failed: int, notify: Notify, make_task: MakeTask, add_run: AddRun
) -> None:
    """And the first message after them has everything."""
    set_channel(session, quiet_from="00:00", quiet_until="00:00")
    assert notify() is None
    add_run(make_task())
    assert notify() is None

    set_channel(session, quiet_from=None, quiet_until=None)
    assert notify() is not None
    assert [one["details"]["events"][0]["count"] for one in messages(session)] == [2]


@pytest.mark.parametrize("launchers", [2, 3])
def test_several_launchers_send_one_message(
    engine: Engine,
    session: Session,
    failed: int,
    channel: NotificationChannel,
    at_once: AtOnce,
    launchers: int,
) -> None:
    """Although they search at the same time."""
    channel_id = channel.id
    session.rollback()

    def launcher() -> int | None:
        with Session(engine) as own:
            if engine.dialect.name == "sqlite":  # the other's transaction is long on slow machines
                own.execute(text("PRAGMA busy_timeout = 60000"))
            return sending.notify(
                own,
                channel_id,
                owner=uuid4(),
                job=all_jobs()[NOTIFY_JOB],
                site="Shop",
                lease=timedelta(seconds=30),
            )

    found = at_once(*[launcher] * launchers)

    assert [one for one in found if isinstance(one, Exception)] == []
    assert len([one for one in found if one is not None]) == 1
    assert len(messages(session)) == 1


def test_a_launcher_that_dies_in_between_loses_nothing(
    session: Session, failed: int, notify: Notify, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events, message and run are committed together."""

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sending, "queue_manual_runs", die)
        with pytest.raises(KeyboardInterrupt):
            notify()
    assert keys(session) == [] and messages(session) == []

    notify()
    assert len(messages(session)) == 1


def test_a_channel_is_not_searched_all_the_time(
    session: Session, failed: int, notify: Notify
) -> None:
    """But every ten seconds."""
    assert len(sending.waiting_channels(session)) == 1
    notify()
    assert sending.waiting_channels(session) == []


def test_a_deleted_task_is_made_again(
    session: Session, failed: int, notify: Notify, make_task: MakeTask, add_run: AddRun
) -> None:
    """Messages are never lost because someone deleted their task."""
    notify()
    task_id = session.scalar(select(NotificationChannel.task_id))
    assert task_id is not None
    delete_tasks(session, [task_id])
    add_run(make_task())

    notify()

    session.expire_all()
    now_has = session.scalar(select(NotificationChannel.task_id))
    assert now_has not in (None, task_id)
    assert session.get_one(Task, now_has).name == "Messages to Ops"


def test_old_notices_are_deleted(session: Session, failed: int, notify: Notify) -> None:
    """After a week."""
    notify()
    assert sending.prune_notices(session, batch=10) == 0
    age_notices(session, timedelta(days=8))

    assert sending.prune_notices(session, batch=10) == 1
    assert session.scalar(select(func.count()).select_from(EventNotice)) == 0


def test_a_long_time_without_launchers_is_searched_in_parts(
    session: Session, make_task: MakeTask, tell: TellRule, add_run: AddRun, notify: Notify
) -> None:
    """The next searches continue at once."""
    tell(NotifiedEvent.FAILED)
    set_channel(session, read_upto=now(session) - timedelta(minutes=25))
    add_run(make_task(), finished_at=now(session) - timedelta(minutes=20))
    add_run(make_task())

    for expected in (1, 1, 2):
        assert len(sending.waiting_channels(session)) == 1
        notify()
        assert len(keys(session)) == expected
    assert sending.waiting_channels(session) == []
