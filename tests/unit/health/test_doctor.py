"""``flask taskadmin doctor``: each check in good and in bad states."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from kombu import Connection
from sqlalchemy import URL, text
from sqlalchemy.orm import Session

from fixture_types import MakeApp
from services.databases import dispose_engines
from taskadmin import Models, migrations
from taskadmin.cli import taskadmin_cli
from taskadmin.health import Finding, Status, as_json, as_text, examine, ledger_checks
from taskadmin.health import database_checks as database_module
from taskadmin.jobs import GENERATE_RANDOM_NUMBER_JOB, registry
from taskadmin.migrations import newest_revision
from taskadmin.models import Launch, LaunchKind, LaunchState, Process, ProcessKind, TaskResult
from taskadmin.queue.names import DEAD_QUEUE, LAUNCH_QUEUE, RUNS_QUEUE, declare_queues
from taskadmin.store import health as store
from taskadmin.store.health import ClockSkew, Server

DAY = 86400.0


def examined(app: Flask) -> dict[str, Finding]:
    """What the doctor found, by the names of the checks."""
    with app.app_context():
        return {finding.name: finding for finding in examine(app)}


def celery(broker_url: str, **conf: Any) -> dict[str, Any]:
    return {"broker_url": broker_url, "result_backend": "disabled://", **conf}


@pytest.fixture(autouse=True)
def only_the_built_in_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long a run may wait goes by the jobs that there are; other tests import some."""
    name = GENERATE_RANDOM_NUMBER_JOB.name
    monkeypatch.setattr(registry, "_jobs", {name: GENERATE_RANDOM_NUMBER_JOB})


@pytest.fixture
def queues(broker_url: str) -> Iterator[Any]:
    """A channel of a broker that has taskadmin's queues."""
    with Connection(broker_url) as connection:
        declare_queues(connection.default_channel)
        yield connection.default_channel


@pytest.fixture
def all_well(
    rabbit_app: Flask,
    queues: Any,
    add_process: Callable[..., Process],
    tick: Callable[[float], None],
) -> Flask:
    """An application that lacks nothing; the consumers only pretend."""
    for name in (LAUNCH_QUEUE, RUNS_QUEUE):
        queues.basic_consume(name)
    add_process(ProcessKind.BEAT)
    add_process(ProcessKind.LAUNCHER)
    add_process(ProcessKind.WORKER)
    tick(2)
    return rabbit_app


# The command


def test_all_is_well(all_well: Flask) -> None:
    """One line for each check, a last one, exit code 0."""
    done = all_well.test_cli_runner().invoke(taskadmin_cli, ["doctor"])

    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert [line[:17] for line in lines[:-2]] == [
        "✓ database       ",
        "✓ clock skew     ",
        "✓ migrations     ",
        "✓ include_object ",
        "✓ broker         ",
        "✓ queues         ",
        "✓ settings       ",
        "✓ beat           ",
        "✓ launcher       ",
        "✓ workers        ",
        "✓ missed slots   ",
        "✓ stuck runs     ",
        "✓ table growth   ",
    ]
    assert lines[-2:] == ["", "All is well."]


def test_problems_end_with_one_and_have_a_fix_below(rabbit_app: Flask) -> None:
    """Nothing was started yet; each problem says what to do."""
    done = rabbit_app.test_cli_runner().invoke(taskadmin_cli, ["doctor"])

    assert done.exit_code == 1
    assert (
        "✗ queues          taskadmin.launch isn't there; taskadmin.runs isn't there.\n"
        "                  celery -A <your module> worker -Q taskadmin.launch\n"
        "                  celery -A <your module> worker -Q taskadmin.runs\n"
    ) in done.output
    assert (
        "✗ beat            No beat runs, so nothing is launched.\n"
        "                  celery -A <your module> beat\n"
        "! launcher        Not checked: see beat.\n"
        "✗ workers         No worker executes runs.\n"
    ) in done.output
    assert done.output.endswith("\n3 problems, 1 warning.\n")


def test_json_is_for_programs(all_well: Flask, rabbit_app: Flask) -> None:
    """The same as an object."""
    done = all_well.test_cli_runner().invoke(taskadmin_cli, ["doctor", "--json"])

    assert done.exit_code == 0
    answer = json.loads(done.output)
    assert answer["healthy"] is True
    assert len(answer["checks"]) == 13
    assert answer["checks"][3] == {
        "name": "include_object",
        "status": "ok",
        "found": "The application doesn't use Flask-Migrate.",
        "fix": None,
    }


def test_json_of_problems_ends_with_one_too(app: Flask) -> None:
    """Also for programs, the exit code says whether there is a problem."""
    done = app.test_cli_runner().invoke(taskadmin_cli, ["doctor", "--json"])

    assert done.exit_code == 1
    answer = json.loads(done.output)
    assert answer["healthy"] is False
    (beat,) = (check for check in answer["checks"] if check["name"] == "beat")
    assert (beat["status"], beat["fix"]) == ("problem", "celery -A <your module> beat")


def test_terminals_without_the_marks_get_others() -> None:
    """No UnicodeEncodeError where the terminal knows ASCII only."""
    findings = [Finding("a", Status.OK, "fine"), Finding("b", Status.WARNING, "hm", "do")]

    assert as_text(findings, encoding="ascii") == "+ a  fine\n! b  hm\n     do\n\n1 warning."
    assert json.loads(as_json(findings))["healthy"] is True


def test_without_taskadmin_it_says_what_to_call() -> None:
    """One sentence, as every command."""
    done = Flask("shop").test_cli_runner().invoke(taskadmin_cli, ["doctor"])

    assert done.exit_code == 1
    assert done.output.startswith("Error: taskadmin isn't initialised on 'shop'")


@pytest.mark.databases("sqlite")
def test_without_a_task_queue_there_are_warnings_only_for_it(database_url: URL) -> None:
    """An application that only shows pages."""
    app = Flask("shop")
    app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI=database_url)
    Models().init_app(app, db=SQLAlchemy(app))

    found = examined(app)

    assert found["broker"].status == Status.WARNING
    assert found["broker"].fix is not None and "TaskQueue().init_app(app)" in found["broker"].fix
    assert found["queues"].found == "Not checked: this application has no task queue."
    assert found["settings"].found == "Not checked: this application has no task queue."
    dispose_engines(app)


def test_a_check_that_fails_stops_no_other(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The doctor doesn't die of the illness."""
    session.execute(text("DROP TABLE taskadmin_process"))
    session.commit()

    found = examined(app)

    assert found["workers"].status == Status.PROBLEM
    assert found["workers"].found.startswith("The check failed: ")
    assert "taskadmin_process" in found["workers"].found
    assert found["table growth"].status == Status.OK


# Database, clock, migrations


def test_database_is_named_with_its_version(app: Flask, database: str, database_url: URL) -> None:
    """Without user and password."""
    found = examined(app)["database"].found

    if database == "sqlite":
        assert found.startswith("SQLite 3.")
        assert found.endswith(f" at {database_url.database}")
    else:
        assert found.startswith("PostgreSQL 1")
        assert found.endswith(f"/{database_url.database}")


@pytest.mark.databases("postgresql")
def test_database_that_refuses(make_app: MakeApp, database_url: URL, free_port: int) -> None:
    """What needs the database isn't checked, the rest is."""
    away = database_url.set(host="127.0.0.1", port=free_port, password="s3cret-word")
    app = make_app(SQLALCHEMY_DATABASE_URI=away)

    found = examined(app)

    assert found["database"].status == Status.PROBLEM
    assert found["database"].found.startswith(
        f"The database at 127.0.0.1:{free_port}/{database_url.database} can't be used: "
    )
    assert found["database"].fix == "Start the database, or correct SQLALCHEMY_DATABASE_URI."
    for name in ("migrations", "beat", "launcher", "workers", "stuck runs", "table growth"):
        assert (found[name].status, found[name].found) == (
            Status.WARNING,
            "Not checked: see database.",
        )
    assert found["broker"].status == Status.WARNING  # memory:// has no confirms
    assert "s3cret-word" not in str(found)


@pytest.mark.databases("postgresql")
def test_database_that_never_answers(
    make_app: MakeApp, database_url: URL, silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The doctor has patience, but not for ever."""
    monkeypatch.setattr(database_module, "_SECONDS", 0.3)
    away = database_url.set(host="127.0.0.1", port=silent_port)
    options = {"connect_args": {"connect_timeout": 2}}
    app = make_app(SQLALCHEMY_DATABASE_URI=away, SQLALCHEMY_ENGINE_OPTIONS=options)

    assert "doesn't answer within 0.3 s" in examined(app)["database"].found


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("server", "expected"),
    [
        (Server("postgresql", (12, 22)), "PostgreSQL 12.22 at "),
        (Server("sqlite", (3, 34, 1)), "SQLite 3.34.1 at "),
        (Server("mysql", (8, 4)), "mysql 8.4 at "),
    ],
)
def test_database_that_isnt_supported(
    app: Flask, monkeypatch: pytest.MonkeyPatch, server: Server, expected: str
) -> None:
    """Older versions lack what the statements use."""
    monkeypatch.setattr(store, "server", lambda _: server)

    found = examined(app)["database"]

    assert found.status == Status.PROBLEM
    assert found.found.startswith(expected)


def test_clocks_that_agree(app: Flask) -> None:
    """The database is on this machine."""
    assert examined(app)["clock skew"].status == Status.OK


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("seconds", "status", "direction"),
    [
        (1.9, Status.OK, "behind"),
        (2.1, Status.OK, "behind"),  # as far as the round trip lets one know
        (2.3, Status.WARNING, "behind"),
        (-59, Status.WARNING, "ahead of"),
        (-3600, Status.PROBLEM, "ahead of"),
    ],
)
def test_clocks_that_disagree(
    app: Flask,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    status: Status,
    direction: str,
) -> None:
    """A warning from 2 seconds on, a problem from a minute on."""
    skew = ClockSkew(timedelta(seconds=seconds), timedelta(seconds=0.2))
    monkeypatch.setattr(store, "clock_skew", lambda _: skew)

    found = examined(app)["clock skew"]

    assert found.status == status
    assert found.found == (
        f"This machine's clock is {abs(seconds):.3f} s {direction} the database's (± 0.200 s)."
    )


def test_clock_skew_is_measured_against_the_database(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine whose clock is an hour fast finds the database an hour behind."""

    class Fast(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(UTC) + timedelta(hours=1)

    monkeypatch.setattr(store, "datetime", Fast)

    found = store.clock_skew(session)

    assert found.ahead.total_seconds() == pytest.approx(-3600, abs=1)
    assert timedelta(0) <= found.uncertainty < timedelta(seconds=1)


def test_schema_that_is_behind(make_app: MakeApp, empty_database_url: URL) -> None:
    """The fix is the command; what needs the tables isn't checked."""
    app = make_app(SQLALCHEMY_DATABASE_URI=empty_database_url)

    found = examined(app)

    assert found["migrations"] == (
        "migrations",
        Status.PROBLEM,
        f"The schema is at revision none, this version needs {newest_revision()}.",
        "flask taskadmin db upgrade",
    )
    assert found["beat"].found == "Not checked: see migrations."
    assert found["clock skew"].status == Status.OK
    migrations.upgrade(app)
    assert examined(app)["migrations"].status == Status.OK


def test_schema_that_is_ahead(app: Flask, session: Session) -> None:
    """A warning: it may be meant so for a while."""
    session.execute(text("UPDATE taskadmin_alembic_version SET version_num = '9999'"))
    session.commit()

    found = examined(app)["migrations"]

    assert found.status == Status.WARNING
    assert "ahead of this version's" in found.found


# Broker, queues, settings


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("kind", ["refuses", "never answers"])
def test_broker_that_is_away(
    make_app: MakeApp,
    free_port: int,
    silent_port: int,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With its address, without the password; queues aren't checked, the ledger is."""
    monkeypatch.setattr("taskadmin.health.queue_checks._SECONDS", 0.5)
    port = free_port if kind == "refuses" else silent_port
    app = make_app(CELERY=celery(f"amqp://guest:s3cret-word@127.0.0.1:{port}//"))

    found = examined(app)

    assert found["broker"].status == Status.PROBLEM
    assert found["broker"].found.startswith(
        f"The broker at amqp://guest:**@127.0.0.1:{port}// can't be reached (OperationalError: "
    )
    assert found["queues"].found == "Not checked: see broker."
    assert found["workers"].status == Status.PROBLEM
    assert "s3cret-word" not in str(found)


@pytest.mark.databases("sqlite")
def test_broker_that_takes_no_messages(rabbit_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an alarm of memory or disk: connecting works, and no confirm comes."""

    def blocked(*_: object, **__: object) -> None:
        raise TimeoutError

    monkeypatch.setattr("amqp.Channel.basic_publish_confirm", blocked)

    found = examined(rabbit_app)["broker"]

    assert found.status == Status.PROBLEM
    assert "takes no messages (TimeoutError)" in found.found
    assert found.fix == "Look for an alarm of memory or disk: rabbitmq-diagnostics alarms"


@pytest.mark.databases("sqlite")
def test_broker_without_confirms(app: Flask) -> None:
    """It works, and may lose messages; nobody can tell who reads its queues."""
    found = examined(app)

    assert found["broker"].status == Status.WARNING
    assert found["broker"].found.startswith("memory://")
    assert found["queues"].found == "Not checked: this broker doesn't tell who reads its queues."


@pytest.mark.databases("sqlite")
def test_nothing_is_left_at_the_broker(rabbit_app: Flask, broker_url: str) -> None:
    """Looking makes no queue and leaves no message."""
    examined(rabbit_app)

    with Connection(broker_url) as connection:
        for name in (LAUNCH_QUEUE, RUNS_QUEUE, DEAD_QUEUE, "taskadmin.nowhere"):
            channel = connection.channel()
            with pytest.raises(connection.channel_errors, match="NOT_FOUND"):
                channel.queue_declare(name, passive=True)


@pytest.mark.databases("sqlite")
def test_queues_without_consumers(rabbit_app: Flask, queues: Any) -> None:
    """Each of them is named, with what waits in it."""
    queues.basic_consume(LAUNCH_QUEUE)
    for _ in range(2):
        queues.basic_publish(
            queues.prepare_message(b"x"), exchange=RUNS_QUEUE, routing_key=RUNS_QUEUE
        )

    found = _until(lambda: examined(rabbit_app)["queues"], lambda seen: "2 messages" in seen.found)

    assert found.status == Status.PROBLEM
    assert found.found == (
        "taskadmin.launch: 1 consumer, 0 messages waiting;"
        " taskadmin.runs: no consumer, 2 messages waiting."
    )
    assert found.fix == "celery -A <your module> worker -Q taskadmin.runs"


@pytest.mark.databases("sqlite")
def test_dead_messages(all_well: Flask, queues: Any) -> None:
    """Somebody should look at them."""
    queues.basic_publish(queues.prepare_message(b"x"), exchange="", routing_key=DEAD_QUEUE)

    found = _until(lambda: examined(all_well)["queues"], lambda seen: seen.status == Status.WARNING)

    assert found.found.endswith("taskadmin.dead: 1 message that no worker could take.")
    assert found.fix is not None and found.fix.endswith("purge_queue taskadmin.dead")


def _until(look: Callable[[], Finding], fits: Callable[[Finding], bool]) -> Finding:
    """Quorum queues count a moment after they took a message."""
    for _ in range(50):
        found = look()
        if fits(found):
            return found
    raise AssertionError(found)


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("conf", "status", "fix"),
    [
        ({}, Status.OK, None),
        ({"task_always_eager": True}, Status.PROBLEM, "Set task_always_eager to False."),
        ({"task_serializer": "pickle"}, Status.PROBLEM, "Add 'pickle' to accept_content."),
        (
            {"worker_detect_quorum_queues": False},
            Status.PROBLEM,
            "Set worker_detect_quorum_queues to True.",
        ),
        (
            {"worker_prefetch_multiplier": 0},
            Status.WARNING,
            "Set worker_prefetch_multiplier to 1.",
        ),
        (
            {"broker_transport_options": {"confirm_publish": False}},
            Status.WARNING,
            'Add "confirm_publish": True to broker_transport_options.',
        ),
        (
            {"task_annotations": {"taskadmin.run": {"acks_late": False}}},
            Status.WARNING,
            "Leave acks_late and reject_on_worker_lost of taskadmin's Celery tasks as they are.",
        ),
    ],
)
def test_settings_that_take_something_away(
    make_app: MakeApp, free_port: int, conf: dict[str, Any], status: Status, fix: str | None
) -> None:
    """Only what costs something that taskadmin promises."""
    app = make_app(CELERY=celery(f"amqp://127.0.0.1:{free_port}//", **conf))

    found = examined(app)["settings"]

    assert (found.status, found.fix) == (status, fix)


@pytest.mark.databases("sqlite")
def test_settings_of_a_host_with_celery_of_its_own(database_url: URL, free_port: int) -> None:
    """Celery's own defaults: only confirms are missing."""
    from taskadmin import TaskAdmin

    app = Flask("shop")
    app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI=database_url)
    own = Celery("shop", broker=f"amqp://127.0.0.1:{free_port}//", set_as_current=False)
    TaskAdmin().init_app(app, db=SQLAlchemy(app), celery=own)

    found = examined(app)["settings"]

    assert found.status == Status.WARNING
    assert found.fix == 'Add "confirm_publish": True to broker_transport_options.'
    dispose_engines(app)


# Beat, launcher, workers


def test_beat_that_sends_no_ticks(app: Flask, add_process: Callable[..., Process]) -> None:
    """It isn't taken for gone yet, and nothing was heard of it."""
    add_process(ProcessKind.BEAT, silent=40)

    found = examined(app)["beat"]

    assert found.status == Status.PROBLEM
    assert found.found == "beat@here (pid 7) sends no ticks: last seen 40 s ago."


@pytest.mark.settings(TASKADMIN_TICK_SECONDS=30)
def test_slow_ticks_get_more_patience(
    app: Flask, add_process: Callable[..., Process], tick: Callable[[float], None]
) -> None:
    """Three of them."""
    add_process(ProcessKind.BEAT, silent=80)
    tick(85)

    found = examined(app)

    assert found["beat"].status == Status.OK
    assert found["launcher"].status == Status.OK


def test_two_beats(app: Flask, add_process: Callable[..., Process]) -> None:
    """Harmless, and one too many."""
    add_process(ProcessKind.BEAT, name="beat@a", pid=1)
    add_process(ProcessKind.BEAT, name="beat@b", pid=2)

    found = examined(app)["beat"]

    assert found.status == Status.WARNING
    assert found.found == (
        "2 beats run: beat@a (pid 1), beat@b (pid 2). Nothing is launched twice, but one is enough."
    )


def test_beat_without_a_launcher(
    app: Flask, add_process: Callable[..., Process], tick: Callable[[float], None]
) -> None:
    """Its ticks are read by nobody."""
    add_process(ProcessKind.BEAT)
    assert examined(app)["launcher"].found == "No launcher has ever looked for due slots."

    tick(3600)

    found = examined(app)["launcher"]
    assert found.status == Status.PROBLEM
    assert found.found == "No launcher looks for due slots: the last one did so an hour ago."
    assert found.fix == "celery -A <your module> worker -Q taskadmin.launch -P solo"


def test_workers_are_counted_and_named(app: Flask, add_process: Callable[..., Process]) -> None:
    """A few of them; children of their pools aren't workers."""
    for number in range(7):
        add_process(ProcessKind.WORKER, name=f"w{number}@a")
    add_process(ProcessKind.CHILD)

    assert examined(app)["workers"].found == ("7 workers: w0@a, w1@a, w2@a, w3@a, w4@a and 2 more.")


def test_workers_that_are_silent(app: Flask, add_process: Callable[..., Process]) -> None:
    """A launcher may not be there to take them for gone."""
    add_process(ProcessKind.WORKER, silent=60)

    found = examined(app)["workers"]

    assert found.status == Status.PROBLEM
    assert found.found == "No worker executes runs: worker@here was last seen 60 s ago."


# Runs and tables


def test_missed_slots_of_the_last_day(app: Flask, add_launch: Callable[..., Launch]) -> None:
    """Older ones are history."""
    add_launch(LaunchState.MISSED, seconds_ago=2 * DAY, kind=LaunchKind.SLOT)
    assert examined(app)["missed slots"].status == Status.OK

    add_launch(LaunchState.MISSED, seconds_ago=3600, kind=LaunchKind.SLOT)

    found = examined(app)["missed slots"]
    assert found.status == Status.WARNING
    assert found.found == "1 slot of the last 24 hours went by without a launch."


def test_runs_that_wait_for_long(
    app: Flask, session: Session, add_run: Callable[..., TaskResult]
) -> None:
    """Not those that just came, nor those that are meant to wait."""
    add_run(seconds_ago=500)
    add_run(seconds_ago=5000, not_before=datetime.now(UTC) + timedelta(hours=1))
    assert examined(app)["stuck runs"].found == "Nothing waits for more than 10 minutes."

    add_run(seconds_ago=5000)

    found = examined(app)["stuck runs"]
    assert found.status == Status.WARNING
    assert found.found == "1 run waited for a worker for more than 10 minutes."
    assert found.fix == "Start more workers: celery -A <your module> worker -Q taskadmin.runs"


def test_launches_that_dont_get_on(app: Flask, add_launch: Callable[..., Launch]) -> None:
    """Opening for long means that a page fails again and again."""
    add_launch(LaunchState.OPENING, seconds_ago=100)
    assert examined(app)["stuck runs"].status == Status.OK

    add_launch(LaunchState.OPENING, seconds_ago=1000)
    add_launch(LaunchState.OPENING, seconds_ago=1000)

    assert examined(app)["stuck runs"].found == "2 launches under way for more than 10 minutes."


@pytest.mark.settings(TASKADMIN_RESULT_RETENTION_DAYS=30)
def test_results_that_nobody_prunes(app: Flask, add_launch: Callable[..., Launch]) -> None:
    """Pruning has a day to do its work."""
    add_launch(LaunchState.CLOSED, seconds_ago=30.5 * DAY)
    assert examined(app)["table growth"].status == Status.OK

    add_launch(LaunchState.CLOSED, seconds_ago=40 * DAY)

    found = examined(app)["table growth"]
    assert found.status == Status.WARNING
    assert "though results go after 30 days" in found.found
    assert found.fix is not None and "TASKADMIN_RESULTS_PER_TASK" in found.fix


@pytest.mark.settings(TASKADMIN_RESULT_RETENTION_DAYS=0)
def test_many_results_that_are_kept_for_ever(
    app: Flask, add_run: Callable[..., TaskResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That should be somebody's decision."""
    monkeypatch.setattr(ledger_checks, "_MANY_RESULTS", 1)
    add_run(seconds_ago=100 * DAY)
    assert examined(app)["table growth"].status == Status.OK

    add_run(seconds_ago=1)

    found = examined(app)["table growth"]
    assert found.status == Status.WARNING
    assert found.found.startswith("2 results, ")
    assert found.found.endswith(", and none is ever deleted.")


@pytest.mark.settings(TASKADMIN_RESULT_RETENTION_DAYS=0, TASKADMIN_RESULTS_PER_TASK=5)
def test_a_limit_for_each_task_is_a_decision(
    app: Flask, add_run: Callable[..., TaskResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are."""
    monkeypatch.setattr(ledger_checks, "_MANY_RESULTS", 0)
    add_run(seconds_ago=1)

    assert examined(app)["table growth"].status == Status.OK


@pytest.mark.databases("postgresql")
def test_large_tables_are_estimated(session: Session, add_run: Callable[..., TaskResult]) -> None:
    """By what PostgreSQL knows since it last analyzed the table."""
    add_run(seconds_ago=1)
    assert store.results_size(session)[:2] == (1, False)

    session.execute(text("ANALYZE taskadmin_task_result"))
    session.commit()

    size = store.results_size(session)
    assert size[:2] == (1, True)
    assert size.size_bytes > 8192


@pytest.mark.databases("postgresql")
def test_locked_tables_dont_hold_the_doctor_up(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration may be at work."""
    monkeypatch.setattr(ledger_checks, "_SECONDS", 0.2)
    session.execute(text("LOCK TABLE taskadmin_launch"))

    found = examined(app)["missed slots"]

    assert found.status == Status.PROBLEM
    assert "statement timeout" in found.found
